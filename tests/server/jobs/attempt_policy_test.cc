#include "server/jobs/attempt_policy.h"

#include <set>

#include "gtest/gtest.h"
#include "server/jobs/event_payload.h"

namespace strata {
namespace {

using Next = AttemptVerdict::Next;

TEST(AttemptPolicyTest, WhatTheUserMustFixIsNotTriedAgain) {
  const struct {
    absl::Status status;
    const char* code;
  } kCases[] = {
      {absl::InvalidArgumentError("spec.sequence: is 13"), "SPEC_INVALID"},
      {absl::InvalidArgumentError("line 3: bad"), "DATASET_INVALID"},
      {absl::FailedPreconditionError("NON_FINITE step 3"), "NON_FINITE"},
      {absl::ResourceExhaustedError("STORAGE_FULL: x"), "STORAGE_FULL"},
      {absl::DataLossError("base"), "BASE_MODEL_MISSING"},
  };
  for (const auto& c : kCases) {
    const AttemptVerdict verdict = JudgeTraining(c.status, false);
    EXPECT_EQ(verdict.next, Next::kFail) << c.status;
    EXPECT_EQ(verdict.code, c.code) << c.status;
  }
}

// What a first and a second lack of memory make of a job.
JobRecord TwiceOutOfMemory(int64_t micro_batch, std::vector<JobEvent>* events) {
  JobRecord job;
  job.spec.micro_batch = micro_batch;
  for (int i = 0; i < 2 && job.state != JobState::kFailed; ++i) {
    job.state = JobState::kRunning;
    const absl::Status status = absl::ResourceExhaustedError("out of memory");
    ApplyVerdict(JudgeTraining(status, false), "out of memory", {3, 10}, 0,
                 &job, events);
    if (i == 0 && micro_batch > 1) {
      EXPECT_EQ(job.state, JobState::kQueued);
    }
  }
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.error.code, "OUT_OF_MEMORY");
  EXPECT_EQ(job.error.message, "out of memory");
  return job;
}

TEST(AttemptPolicyTest, ALackOfMemoryIsMetOnceByHalfTheMicroBatch) {
  std::vector<JobEvent> events;
  EXPECT_EQ(TwiceOutOfMemory(7, &events).micro_batch, 3);
  int warnings = 0;
  for (const JobEvent& event : events) warnings += event.type == kEventWarning;
  EXPECT_EQ(warnings, 1);
  EXPECT_EQ(TwiceOutOfMemory(1, &events).micro_batch, 0);  // fails at once
}

TEST(AttemptPolicyTest, ALostWorkerIsReplaced) {
  EXPECT_EQ(JudgeTraining(absl::UnavailableError("signal 9"), false).code,
            "WORKER_LOST");
  EXPECT_EQ(JudgeTraining(absl::InternalError("bug"), false).next, Next::kRetry);
  EXPECT_TRUE(JudgeTraining(absl::UnavailableError(""), false).counts);
  const AttemptVerdict drained = JudgeTraining(absl::AbortedError(""), true);
  EXPECT_EQ(drained.code, "DRAINED");
  EXPECT_FALSE(drained.counts);
}

TEST(AttemptPolicyTest, DelaysDoubleUpToTenMinutes) {
  JobRecord job;
  job.id = "some job";
  int64_t previous = 0;
  for (int n = 1; n <= 100; ++n) {
    job.no_progress_attempts = n;
    const int64_t full = std::min<int64_t>(
        600'000, int64_t{10'000} << std::min(n - 1, 20));
    const int64_t delay = RetryDelayMs(job, 10'000);
    EXPECT_GE(delay, full / 2) << n;
    EXPECT_LE(delay, full) << n;
    EXPECT_GE(full, previous);
    previous = full;
  }
  std::set<int64_t> delays;
  job.no_progress_attempts = 1;
  for (job.attempt = 1; job.attempt <= 20; ++job.attempt) {
    delays.insert(RetryDelayMs(job, 10'000));
  }
  EXPECT_GT(delays.size(), 10u);
}

// Attempts until the job fails, or `limit`; each saves a checkpoint or not.
int AttemptsUntilFailure(const std::function<bool(int)>& saves, int limit) {
  JobRecord job;
  job.state = JobState::kRunning;
  for (int n = 1; n <= limit; ++n) {
    job.attempt = n;
    job.attempt_base_step = job.checkpoint_step;
    if (saves(n)) ++job.checkpoint_step;
    std::vector<JobEvent> events;
    ApplyVerdict({Next::kRetry, true, "WORKER_LOST"}, "gone", {3, 10}, 0, &job,
                 &events);
    if (job.state == JobState::kFailed) {
      EXPECT_EQ(events.back().type, kEventFailed);
      EXPECT_EQ(job.error.code, "WORKER_LOST");
      return n;
    }
    EXPECT_EQ(job.state, JobState::kQueued);
    job.state = JobState::kRunning;
  }
  return limit + 1;
}

TEST(AttemptPolicyTest, ThreeAttemptsWithoutProgressEndACrashLoop) {
  EXPECT_EQ(AttemptsUntilFailure([](int) { return false; }, 10), 3);
  EXPECT_EQ(AttemptsUntilFailure([](int n) { return n == 2; }, 10), 5);
  // A long job survives any number of preemptions.
  EXPECT_EQ(AttemptsUntilFailure([](int n) { return n % 3 == 0; }, 500), 501);
}

// Servers until the job fails, or `limit`.
int ServersUntilFailure(const std::function<bool(int)>& saves, int limit) {
  JobRecord job;
  for (int n = 1; n <= limit; ++n) {
    job.state = JobState::kRunning;
    job.attempt = n;
    job.attempt_base_step = job.checkpoint_step;
    if (saves(n)) ++job.checkpoint_step;
    std::vector<JobEvent> events;
    ApplyServerLoss({3, 10}, 1000, &job, &events);
    if (job.state == JobState::kFailed) {
      EXPECT_EQ(events.back().type, kEventFailed);
      EXPECT_EQ(job.error.code, kServerRestarted);
      return n;
    }
    EXPECT_EQ(job.state, JobState::kQueued);
    // An innocent job goes on at once; one that may be guilty waits.
    EXPECT_EQ(job.not_before_ms > 1000, job.lost_servers > 1);
  }
  return limit + 1;
}

TEST(AttemptPolicyTest, AJobThatTakesItsServersDownFailsInTheEnd) {
  EXPECT_EQ(ServersUntilFailure([](int) { return false; }, 20), 6);
  EXPECT_EQ(ServersUntilFailure([](int n) { return n == 2; }, 20), 8);
  EXPECT_EQ(ServersUntilFailure([](int n) { return n % 6 == 0; }, 500), 501);
}

TEST(AttemptPolicyTest, LostServersAndLostAttemptsAreCountedApart) {
  JobRecord job;
  std::vector<JobEvent> events;
  for (int i = 0; i < 5; ++i) {
    job.state = JobState::kRunning;
    ApplyServerLoss({3, 10}, 0, &job, &events);
  }
  job.state = JobState::kRunning;
  ApplyVerdict({Next::kRetry, true, "WORKER_LOST"}, "gone", {3, 10}, 0, &job,
               &events);
  EXPECT_EQ(job.state, JobState::kQueued);
  EXPECT_EQ(job.no_progress_attempts, 1);
  EXPECT_EQ(job.lost_servers, 5);
  job.checkpoint_step = 1;
  job.state = JobState::kRunning;
  ApplyVerdict({Next::kRetry, true, "WORKER_LOST"}, "gone", {3, 10}, 0, &job,
               &events);
  EXPECT_EQ(job.no_progress_attempts, 0);
  EXPECT_EQ(job.lost_servers, 0);
}

TEST(AttemptPolicyTest, SavesComeSoonerWithEveryLoss) {
  JobRecord job;
  EXPECT_EQ(EarlySaveSeconds(job), 0);
  job.no_progress_attempts = 1;
  EXPECT_EQ(EarlySaveSeconds(job), kEarlySaveSeconds);
  for (int losses = 2; losses <= 20; ++losses) {
    const double before = EarlySaveSeconds(job);
    ++(losses % 2 ? job.lost_servers : job.no_progress_attempts);
    EXPECT_LE(EarlySaveSeconds(job), before);
    EXPECT_GT(EarlySaveSeconds(job), 0);
  }
  EXPECT_LT(EarlySaveSeconds(job), kEarlySaveSeconds / 4);
}

TEST(AttemptPolicyTest, ADrainNeverCounts) {
  JobRecord job;
  std::vector<JobEvent> events;
  for (int i = 0; i < 50; ++i) {
    job.state = JobState::kRunning;
    ApplyVerdict(JudgeTraining(absl::AbortedError(""), true), "m", {3, 10}, 5,
                 &job, &events);
    ASSERT_EQ(job.state, JobState::kQueued);
    EXPECT_EQ(job.not_before_ms, 5);
  }
}

}  // namespace
}  // namespace strata
