// Nothing is lost: a manager that ends in any state, or a store that an earlier
// process left in any state, is taken up by the next one.

#include <atomic>
#include <filesystem>
#include <thread>

#include "server/jobs/attempt_policy.h"
#include "tests/server/jobs/jobs_fixture.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

class JobRecoveryTest : public JobsTest {
 protected:
  // A job that a dead process left in `state`.
  JobRecord LeaveIn(std::vector<JobState> states) {
    MakeManager();
    const JobRecord job = Submit();
    auto claimed = store->Claim("dead process", job.created_ms, 30'000);
    EXPECT_TRUE(claimed.ok());
    for (const JobState state : states) {
      claimed = store->Update(job.id, claimed->fence, Durability::kFull,
                              [&](JobRecord* record, std::vector<JobEvent>*) {
                                record->state = state;
                                return absl::OkStatus();
                              });
      EXPECT_TRUE(claimed.ok()) << claimed.status();
    }
    manager.reset();
    return *claimed;
  }
  void WriteResultOf(const std::string& id) {
    TrainRun run;
    run.job_dir = dir / ("jobs/" + id);
    class Nobody final : public AttemptListener {
      void OnStarted(int64_t, int, const std::string&) override {}
      void OnProgress(const TrainProgress&) override {}
      void OnEval(const TrainEval&) override {}
      void OnCheckpoint(int64_t, const std::string&, int64_t) override {}
      void OnWarning(const std::string&, const std::string&) override {}
      void OnEnded(const absl::Status&) override {}
    } nobody;
    FakeAttempt attempt(run, &nobody, [](FakeAttempt* a) {
      EXPECT_TRUE(a->WriteResult().ok());
      return absl::OkStatus();
    });
  }
};

TEST_F(JobRecoveryTest, AQueuedJobRuns) {
  MakeManager();
  const JobRecord job = Submit();
  Restart();
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kSucceeded);
}

TEST_F(JobRecoveryTest, AStartingJobRunsAgain) {
  const JobRecord job = LeaveIn({});
  Restart();
  const JobRecord done = WaitForEnd(job.id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.attempt, 2);
  EXPECT_GT(done.fence, job.fence + 1);  // its old attempt is shut out
  EXPECT_EQ(done.no_progress_attempts, 0);
  EXPECT_EQ(done.lost_servers, 1);
  // So that servers that fall for reasons of their own do not end the job.
  ASSERT_EQ(executor.runs().size(), 1u);
  EXPECT_EQ(executor.runs()[0].save_within_seconds, kEarlySaveSeconds);
}

TEST_F(JobRecoveryTest, ARunningJobRunsAgain) {
  const JobRecord job = LeaveIn({JobState::kRunning});
  Restart();
  const JobRecord done = WaitForEnd(job.id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(CountEvents(job.id, kEventAttemptEnded), 1);
}

TEST_F(JobRecoveryTest, ACancellingJobEndsCancelled) {
  const JobRecord job = LeaveIn({JobState::kRunning, JobState::kCancelling});
  Restart();
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kCancelled);
  EXPECT_TRUE(executor.runs().empty());
  EXPECT_EQ(executor.waits(), 1u);
}

TEST_F(JobRecoveryTest, APausingJobIsPaused) {
  const JobRecord job = LeaveIn({JobState::kRunning, JobState::kPausing});
  Restart();
  EXPECT_EQ(manager->Get(job.id)->state, JobState::kPaused);
}

TEST_F(JobRecoveryTest, AFinalizingJobIsPublishedWithoutTraining) {
  const JobRecord job = LeaveIn({JobState::kRunning, JobState::kFinalizing});
  WriteResultOf(job.id);
  Restart();
  const JobRecord done = WaitForEnd(job.id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.published, "tiny@1");
  EXPECT_TRUE(executor.runs().empty());
}

// The crash came after the publish and before the row.
TEST_F(JobRecoveryTest, AFinalizingJobThatWasPublishedIsNotPublishedTwice) {
  const JobRecord job = LeaveIn({JobState::kRunning, JobState::kFinalizing});
  WriteResultOf(job.id);
  const auto published =
      registry->Publish("tiny", dir / ("jobs/" + job.id + "/result"), job.id);
  ASSERT_TRUE(published.ok()) << published.status();
  fs::remove_all(dir / ("jobs/" + job.id + "/result"));
  Restart();
  const JobRecord done = WaitForEnd(job.id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.published, *published);
  EXPECT_EQ(Versions(), 1);
  EXPECT_TRUE(executor.runs().empty());
}

TEST_F(JobRecoveryTest, AFinalizingJobWhoseResultIsGoneTrainsAgain) {
  const JobRecord job = LeaveIn({JobState::kRunning, JobState::kFinalizing});
  Restart();
  const JobRecord done = WaitForEnd(job.id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(executor.runs().size(), 1u);
  EXPECT_EQ(Versions(), 1);
}

TEST_F(JobRecoveryTest, AWholeResultIsNotMadeAgain) {
  const JobRecord job = LeaveIn({JobState::kRunning});
  WriteResultOf(job.id);
  Restart();
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kSucceeded);
  EXPECT_TRUE(executor.runs().empty());
}

TEST_F(JobRecoveryTest, JobsThatHaveEndedStayAsTheyAre) {
  StartManager();
  const JobRecord job = WaitForEnd(Submit().id);
  const auto events = EventsOf(job.id).size();
  Restart();
  EXPECT_EQ(manager->Get(job.id)->state, JobState::kSucceeded);
  EXPECT_EQ(EventsOf(job.id).size(), events);
}

TEST_F(JobRecoveryTest, WhatAKilledWriterLeftIsSweptInEveryJob) {
  const JobRecord cancelled =
      LeaveIn({JobState::kRunning, JobState::kCancelling});
  const JobRecord running = LeaveIn({JobState::kRunning});
  for (const JobRecord& job : {cancelled, running}) {
    const std::string folder = dir / ("jobs/" + job.id);
    fs::create_directories(folder + "/checkpoints/.tmp-step-5-1-9");
    fs::create_directories(folder + "/checkpoints/step-4");
    for (const char* name : {"/.tmp-child.json-9-0", "/.tmp-run.json-9-1"}) {
      ASSERT_TRUE(WriteFileAtomically(folder + name, "half").ok());
    }
  }
  Restart();
  EXPECT_EQ(WaitForEnd(running.id).state, JobState::kSucceeded);
  EXPECT_EQ(WaitForEnd(cancelled.id).state, JobState::kCancelled);
  // The end is told before the last folder is gone.
  manager->Stop(MonotonicTime::clock::now() + std::chrono::seconds(60));
  for (const auto& entry : fs::recursive_directory_iterator(dir / "jobs")) {
    EXPECT_NE(entry.path().filename().string().substr(0, 5), ".tmp-")
        << entry.path();
  }
  EXPECT_TRUE(
      fs::exists(dir / ("jobs/" + cancelled.id + "/checkpoints/step-4")));
}

// As by a job that exhausts the memory of its server, each time it runs.
TEST_F(JobRecoveryTest, AJobWhoseServersKeepDyingFails) {
  slots = 0;  // these servers recover the job; how it runs does not matter
  const JobRecord job = LeaveIn({JobState::kRunning});
  const int limit = 2 * Options().max_attempts_without_progress;
  for (int server = 1; server < limit; ++server) {
    Restart();
    const JobRecord queued = *manager->Get(job.id);
    ASSERT_EQ(queued.state, JobState::kQueued);
    EXPECT_EQ(queued.lost_servers, server);
    EXPECT_EQ(queued.no_progress_attempts, 0);
    ASSERT_TRUE(store->Claim("dead too", queued.not_before_ms, 30'000).ok());
  }
  Restart();
  const JobRecord failed = *manager->Get(job.id);
  EXPECT_EQ(failed.state, JobState::kFailed);
  EXPECT_EQ(failed.error.code, "SERVER_RESTARTED");
  EXPECT_GT(failed.finished_ms, 0);
  EXPECT_EQ(CountEvents(job.id, kEventFailed), 1);
}

TEST_F(JobRecoveryTest, RestartsNeverCountAsFailures) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    attempt->WaitForKill();  // no drain, no progress
    return absl::OkStatus();
  });
  StartManager();
  const JobRecord job = Submit();
  for (int i = 0; i < 5; ++i) {
    WaitForState(job.id, JobState::kRunning);
    Restart();
  }
  executor.Play(TrainWell);
  Restart();
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kSucceeded);
}

TEST_F(JobRecoveryTest, ADrainStopsAtACheckpointAndTheNextProcessGoesOn) {
  std::atomic<bool> told{false};
  executor.Play([&](FakeAttempt* attempt) {
    const absl::Status status = TrainUntilTold(attempt);
    told = absl::IsAborted(status);  // and not killed
    return status;
  });
  StartManager();
  const JobRecord job = Submit();
  const JobRecord waiting = Submit();
  WaitForState(job.id, JobState::kRunning);
  manager->Stop(MonotonicTime::clock::now() + std::chrono::seconds(60));
  EXPECT_TRUE(told);
  const JobRecord stopped = *manager->Get(job.id);
  EXPECT_EQ(stopped.state, JobState::kQueued);
  EXPECT_EQ(stopped.no_progress_attempts, 0);
  EXPECT_EQ(manager->Get(waiting.id)->state, JobState::kQueued);
  bool drained = false;
  for (const JobEvent& event : EventsOf(job.id)) {
    drained = drained ||
              (event.type == kEventAttemptEnded &&
               event.payload_json.find("DRAINED") != std::string::npos);
  }
  EXPECT_TRUE(drained);
  EXPECT_EQ(executor.runs().size(), 1u);
  executor.Play(TrainWell);
  Restart();
  EXPECT_EQ(WaitForEnd(job.id).state, JobState::kSucceeded);
  EXPECT_EQ(WaitForEnd(waiting.id).state, JobState::kSucceeded);
}

// It has nothing to save; on a crowded host it may need minutes to begin.
TEST_F(JobRecoveryTest, ADrainDoesNotWaitForATrainerThatHasNotBegun) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->WaitForKill();
    return absl::OkStatus();
  });
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kStarting);
  const auto begin = MonotonicTime::clock::now();
  manager->Stop(begin + std::chrono::seconds(120));
  EXPECT_LT(Seconds(MonotonicTime::clock::now() - begin), 60);
  const JobRecord stopped = *manager->Get(job.id);
  EXPECT_EQ(stopped.state, JobState::kQueued);
  EXPECT_EQ(stopped.no_progress_attempts, 0);
}

TEST_F(JobRecoveryTest, ADrainThatTakesTooLongIsCutShort) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    attempt->WaitForKill();
    return absl::OkStatus();
  });
  StartManager();
  const JobRecord job = Submit();
  WaitForState(job.id, JobState::kRunning);
  manager->Stop(MonotonicTime::clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(manager->Get(job.id)->state, JobState::kQueued);
  manager->Stop(MonotonicTime::min());  // again does nothing
}

TEST_F(JobRecoveryTest, AFencedAttemptWritesNothingMore) {
  std::atomic<bool> go{false};
  executor.Direct([&](int n) -> FakeAttempt::Script {
    if (n > 0) return TrainUntilTold;
    return [&](FakeAttempt* attempt) {
      attempt->Started();
      while (!go) std::this_thread::yield();
      attempt->Checkpoint(1000);
      return attempt->WriteResult();
    };
  });
  StartManager();
  const JobRecord job = Submit();
  const JobRecord running = WaitForState(job.id, JobState::kRunning);
  // Another owner takes the job away, as if this process had been stopped for
  // longer than its lease.
  ASSERT_TRUE(store
                  ->Update(job.id, running.fence, Durability::kFull,
                           [](JobRecord* record, std::vector<JobEvent>*) {
                             ++record->fence;
                             record->state = JobState::kQueued;
                             record->not_before_ms = 0;
                             return absl::OkStatus();
                           })
                  .ok());
  const auto other = store->Claim("other", 1'000'000, 1'000'000'000);
  ASSERT_TRUE(other.ok());
  const auto events = EventsOf(job.id).size();
  go = true;
  manager->Stop(MonotonicTime::clock::now() + std::chrono::seconds(60));
  EXPECT_EQ(store->Get(job.id)->state, JobState::kStarting);
  EXPECT_EQ(store->Get(job.id)->fence, other->fence);
  EXPECT_EQ(EventsOf(job.id).size(), events);
  EXPECT_EQ(Versions(), 0);
}

}  // namespace
}  // namespace strata
