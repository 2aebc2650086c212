// Cancel, in each state that a job can be in.

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/server/jobs/jobs_fixture.h"

namespace strata {
namespace {

using JobCancelTest = JobsTest;

TEST_F(JobCancelTest, CancelOfAQueuedJobIsImmediate) {
  MakeManager();  // no slot runs
  const JobRecord job = Submit();
  const auto cancelled = manager->Cancel(job.id);
  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled->state, JobState::kCancelled);
  EXPECT_GT(cancelled->finished_ms, 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager->Cancel(job.id).status()));
  EXPECT_TRUE(absl::IsNotFound(manager->Cancel("none").status()));
}

TEST_F(JobCancelTest, CancelOfAStartingJob) {
  executor.Play([](FakeAttempt* attempt) { return attempt->Obey(); });
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kStarting);
  const auto cancelled = manager->Cancel(job.id);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state, JobState::kCancelling);
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kCancelled);
  EXPECT_EQ(StatesOf(job.id), "QUEUED STARTING CANCELLING CANCELLED");
}

// Whether it listens or not: nothing of it is worth waiting for.
TEST_F(JobCancelTest, CancelDoesNotWaitForATrainerThatHasNotBegun) {
  cancel_grace_ms = 120'000;
  executor.Play([](FakeAttempt* attempt) {
    attempt->WaitForKill();
    return absl::OkStatus();
  });
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kStarting);
  ASSERT_TRUE(manager->Cancel(job.id).ok());
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kCancelled);  // within 60 s
}

TEST_F(JobCancelTest, WhatACancelledAttemptWasWritingIsSwept) {
  executor.Play([](FakeAttempt* attempt) {
    std::filesystem::create_directories(attempt->run.job_dir +
                                        "/checkpoints/.tmp-step-5-1-9");
    std::filesystem::create_directories(attempt->run.job_dir + "/.tmp-result-1");
    return TrainUntilTold(attempt);
  });
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kRunning);
  ASSERT_TRUE(manager->Cancel(job.id).ok());
  WaitForEnd(job.id);
  manager->Stop(MonotonicTime::clock::now() + std::chrono::seconds(60));
  const std::string folder = dir / ("jobs/" + job.id);
  EXPECT_TRUE(std::filesystem::is_empty(folder + "/checkpoints"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/.tmp-result-1"));
}

TEST_F(JobCancelTest, CancelOfARunningJob) {
  executor.Play(TrainUntilTold);
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kRunning);
  ASSERT_TRUE(manager->Cancel(job.id).ok());
  // Again is no error while it goes on, or has just ended.
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kCancelled);
  EXPECT_EQ(Versions(), 0);
}

TEST_F(JobCancelTest, CancelOfATrainerThatDoesNotListen) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    attempt->WaitForKill();
    return absl::OkStatus();
  });
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kRunning);
  ASSERT_TRUE(manager->Cancel(job.id).ok());
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kCancelled);
}

TEST_F(JobCancelTest, CancelOfATrainerThatFinishesAllTheSame) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    attempt->Obey().IgnoreError();
    return attempt->WriteResult();
  });
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kRunning);
  ASSERT_TRUE(manager->Cancel(job.id).ok());
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kCancelled);
  EXPECT_EQ(Versions(), 0);
}

TEST_F(JobCancelTest, CancelOfAJobThatIsBeingPublishedIsRefused) {
  std::atomic<bool> go{false};
  on_load = [&](const std::string&) {
    while (!go) std::this_thread::yield();
    return absl::OkStatus();
  };
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kFinalizing);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager->Cancel(job.id).status()));
  go = true;
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kSucceeded);
}

TEST_F(JobCancelTest, CancelStorm) {
  executor.Direct([](int n) -> FakeAttempt::Script {
    return n % 2 ? TrainWell : TrainUntilTold;
  });
  StartManager();
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) ids.push_back(Submit().id);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (const std::string& id : ids) manager->Cancel(id).status().IgnoreError();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& id : ids) {
    const JobState state = WaitForEnd(id).state;
    EXPECT_TRUE(state == JobState::kCancelled || state == JobState::kSucceeded);
  }
}

}  // namespace
}  // namespace strata
