// Attempts that are lost, hang or fail, and what becomes of their job.

#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "server/jobs/attempt_policy.h"
#include "tests/server/jobs/jobs_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

using JobAttemptsTest = JobsTest;

TEST_F(JobAttemptsTest, ALostWorkerIsReplacedAndTheJobGoesOn) {
  executor.Direct([](int n) -> FakeAttempt::Script {
    if (n == 2) return TrainWell;
    return [n](FakeAttempt* attempt) {
      attempt->Started(n);
      attempt->Checkpoint(n + 1);
      return absl::UnavailableError("killed by signal 9");
    };
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.attempt, 3);
  EXPECT_EQ(done.no_progress_attempts, 0);
  EXPECT_EQ(StatesOf(done.id),
            "QUEUED STARTING RUNNING QUEUED STARTING RUNNING QUEUED STARTING "
            "RUNNING FINALIZING SUCCEEDED");
  EXPECT_EQ(CountEvents(done.id, kEventAttemptEnded), 2);
}

// Something kills it after ten seconds, each time and for no fault of its own;
// its spec would save only after 300.
TEST_F(JobAttemptsTest, ATrainerThatIsKilledAgainAndAgainGetsAhead) {
  std::atomic<int> saved{0};
  executor.Play([&](FakeAttempt* attempt) -> absl::Status {
    const double every = attempt->run.save_within_seconds;
    attempt->Started(saved);
    if (every > 0 && every < 10) attempt->Checkpoint(++saved);
    if (saved == 3) return attempt->WriteResult();
    return absl::UnavailableError("killed by signal 9");
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kSucceeded) << done.error.message;
  EXPECT_EQ(executor.runs()[0].save_within_seconds, 0);
  EXPECT_EQ(executor.runs()[1].save_within_seconds, kEarlySaveSeconds);
}

// Steps that were not finite took it back from 100 to 50.
TEST_F(JobAttemptsTest, CheckpointsBehindTheHighestAreProgressToo) {
  executor.Direct([](int n) -> FakeAttempt::Script {
    return [n](FakeAttempt* attempt) -> absl::Status {
      attempt->Started();
      attempt->Checkpoint(n == 0 ? 100 : 50 + n);
      if (n == 12) return attempt->WriteResult();
      return absl::UnavailableError("killed by signal 9");
    };
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kSucceeded) << done.error.message;
  EXPECT_EQ(done.attempt, 13);
}

TEST_F(JobAttemptsTest, ALackOfMemoryIsMetByASmallerMicroBatch) {
  executor.Play([](FakeAttempt* attempt) -> absl::Status {
    attempt->Started();
    if (attempt->run.rows_at_once() > 4) {
      return absl::ResourceExhaustedError("out of memory");
    }
    return TrainWell(attempt);
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kSucceeded) << done.error.message;
  ASSERT_EQ(executor.runs().size(), 2u);
  EXPECT_EQ(executor.runs()[1].micro_batch, 4);
  EXPECT_EQ(done.spec.micro_batch, 8);  // what was asked for
  EXPECT_EQ(store->Get(done.id)->micro_batch, 4);
}

TEST_F(JobAttemptsTest, ACrashLoopEnds) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    return absl::UnavailableError("killed by signal 11");
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kFailed);
  EXPECT_EQ(done.error.code, "WORKER_LOST");
  EXPECT_THAT(done.error.message, HasSubstr("signal 11"));
  EXPECT_EQ(executor.runs().size(),
            JobManagerOptions().max_attempts_without_progress);
  EXPECT_EQ(CountEvents(done.id, kEventFailed), 1);
}

TEST_F(JobAttemptsTest, WhatNoRetryCanMendFailsAtOnce) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    return absl::FailedPreconditionError("NON_FINITE at step 7");
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kFailed);
  EXPECT_EQ(done.error.code, "NON_FINITE");
  EXPECT_EQ(done.error.message, "NON_FINITE at step 7");
  EXPECT_EQ(executor.runs().size(), 1u);
}

// The disk is full when the attempt begins: that may pass, at its end not.
TEST_F(JobAttemptsTest, AFullDiskAtTheBeginningIsWaitedFor) {
  MakeManager();
  const JobRecord job = Submit();
  executor.FailStarts(2, absl::ResourceExhaustedError("No space left"));
  ASSERT_TRUE(manager->Start().ok());
  const JobRecord done = WaitForEnd(job.id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.attempt, 3);
}

TEST_F(JobAttemptsTest, AFullDiskAtTheEndFailsTheJob) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    return absl::ResourceExhaustedError("STORAGE_FULL: the result");
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kFailed);
  EXPECT_EQ(done.error.code, "STORAGE_FULL");
  EXPECT_EQ(done.attempt, 1);
}

TEST_F(JobAttemptsTest, ASilentAttemptIsKilled) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    attempt->WaitForKill();
    return absl::OkStatus();
  });
  JobManagerOptions options = Options();
  options.stall_timeout_ms = 50;
  manager = std::make_unique<JobManager>(options, store.get(), &executor,
                                         &datasets, registry.get());
  ASSERT_TRUE(manager->Start().ok());
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.error.code, "WORKER_LOST");
}

TEST_F(JobAttemptsTest, JobsOfTwoSlotsTrainOnDevicesOfTheirOwn) {
  std::atomic<int> running{0};
  executor.Play([&](FakeAttempt* attempt) -> absl::Status {
    attempt->Started();
    ++running;
    while (running < 2 && !attempt->killed()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return attempt->WriteResult();
  });
  JobManagerOptions options = Options();
  options.slots = 2;
  options.trainer_devices = {"cuda:0", "cuda:1", "cuda:2"};
  options.decode_devices = {"cuda:1"};
  manager = std::make_unique<JobManager>(options, store.get(), &executor,
                                         &datasets, registry.get());
  ASSERT_TRUE(manager->Start().ok());
  TrainSpec other = Spec();
  other.model = "other";
  const std::string first = Submit().id;
  WaitForEnd(Submit(other).id);
  WaitForEnd(first);
  std::set<std::string> devices;
  for (const TrainRun& run : executor.runs()) {
    devices.insert(run.device);
    EXPECT_EQ(run.shares_device, run.device == "cuda:1");
  }
  EXPECT_EQ(devices, (std::set<std::string>{"cuda:0", "cuda:1"}));
}

// It goes on until a silent one beside it has been killed twice.
TEST_F(JobAttemptsTest, AnAttemptThatIsOnlyAliveIsNotKilled) {
  std::atomic<int> killed{0};
  executor.Play([&](FakeAttempt* attempt) -> absl::Status {
    attempt->Started();
    if (attempt->run.spec.model == "silent") {
      attempt->WaitForKill();
      ++killed;
      return absl::OkStatus();
    }
    while (killed < 2 && !attempt->killed()) {
      attempt->listener->OnAlive();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return attempt->WriteResult();
  });
  JobManagerOptions options = Options();
  options.slots = 2;
  options.stall_timeout_ms = 2000;
  manager = std::make_unique<JobManager>(options, store.get(), &executor,
                                         &datasets, registry.get());
  ASSERT_TRUE(manager->Start().ok());
  TrainSpec spec = Spec();
  spec.model = "silent";
  Submit(spec);
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.attempt, 1);
  EXPECT_EQ(CountEvents(done.id, kEventWarning), 0);  // and it is no event
  for (const TrainRun& run : executor.runs()) {
    EXPECT_GT(run.heartbeat_seconds, 0);
    EXPECT_LT(run.heartbeat_seconds, 1);  // several before it is killed
  }
  manager.reset();  // and the silent one with it
}

}  // namespace
}  // namespace strata
