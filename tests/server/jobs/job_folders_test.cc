// What the folder of a job that has ended still holds, and for how long.

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/server/jobs/jobs_fixture.h"
#include "tests/testing/manual_clock.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

class JobFoldersTest : public JobsTest {
 protected:
  void Start(int64_t keep_ended_ms) {
    manager.reset();
    JobManagerOptions options = Options();
    options.keep_ended_ms = keep_ended_ms;
    options.clock = &clock;
    manager = std::make_unique<JobManager>(options, store.get(), &executor,
                                           &datasets, registry.get());
    ASSERT_TRUE(manager->Start().ok());
  }
  // A job that fails, is cancelled or succeeds, with a checkpoint.
  std::string End(JobState state) {
    executor.Play([state](FakeAttempt* attempt) -> absl::Status {
      fs::create_directories(attempt->run.job_dir + "/checkpoints/step-3");
      if (state == JobState::kSucceeded) return TrainWell(attempt);
      if (state == JobState::kCancelled) return TrainUntilTold(attempt);
      return absl::FailedPreconditionError("NON_FINITE");
    });
    const JobRecord job = Submit();
    if (state == JobState::kCancelled) {
      WaitForState(job.id, JobState::kRunning);
      EXPECT_TRUE(manager->Cancel(job.id).ok());
    }
    EXPECT_EQ(WaitForEnd(job.id).state, state);
    return job.id;
  }
  bool Has(const std::string& id, const std::string& what) {
    return fs::exists(dir / ("jobs/" + id + "/" + what));
  }

  ManualClock clock;
};

TEST_F(JobFoldersTest, OfAJobThatHasSucceededOnlyTheVersionIsLeft) {
  Start(0);
  const std::string id = End(JobState::kSucceeded);
  manager.reset();  // the slot is through
  EXPECT_FALSE(Has(id, "checkpoints"));
  EXPECT_FALSE(Has(id, "result"));
  EXPECT_TRUE(Has(id, "spec.json"));
  EXPECT_TRUE(ReadManifest(dir / "models/tiny/1", /*verify=*/true).ok());
}

// The server fell between the row and the removal.
TEST_F(JobFoldersTest, WhatASucceededJobLeftIsSweptAtTheStart) {
  Start(0);
  const std::string id = End(JobState::kSucceeded);
  manager.reset();
  fs::create_directories(dir / ("jobs/" + id + "/checkpoints/step-1"));
  fs::create_directories(dir / ("jobs/" + id + "/result"));
  Start(0);
  EXPECT_FALSE(Has(id, "checkpoints"));
  EXPECT_FALSE(Has(id, "result"));
}

TEST_F(JobFoldersTest, CheckpointsOfOthersStayAsLongAsAsked) {
  constexpr int64_t kKeepMs = 1'000'000;
  Start(kKeepMs);
  const std::string failed = End(JobState::kFailed);
  const std::string cancelled = End(JobState::kCancelled);
  manager.reset();
  fs::create_directories(dir / ("jobs/" + failed + "/result"));
  const auto events = EventsOf(failed).size();
  clock.Advance(std::chrono::milliseconds(kKeepMs - 1));
  Start(kKeepMs);
  EXPECT_TRUE(Has(failed, "checkpoints/step-3"));
  EXPECT_TRUE(Has(failed, "result"));
  EXPECT_TRUE(Has(cancelled, "checkpoints/step-3"));
  clock.Advance(std::chrono::milliseconds(1));
  Start(/*keep_ended_ms=*/0);
  EXPECT_TRUE(Has(failed, "checkpoints/step-3"));  // for ever
  Start(kKeepMs);
  for (const std::string& id : {failed, cancelled}) {
    EXPECT_FALSE(Has(id, "checkpoints"));
    EXPECT_FALSE(Has(id, "result"));
    EXPECT_TRUE(Has(id, "spec.json"));
  }
  EXPECT_EQ(EventsOf(failed).size(), events);
}

TEST_F(JobFoldersTest, TheyGoAlsoWhileTheOnlySlotIsBusy) {
  Start(100);
  const std::string failed = End(JobState::kFailed);
  executor.Play(TrainUntilTold);
  WaitForState(Submit().id, JobState::kRunning);
  clock.Advance(std::chrono::milliseconds(100));
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (Has(failed, "checkpoints") &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_FALSE(Has(failed, "checkpoints"));
}

}  // namespace
}  // namespace strata
