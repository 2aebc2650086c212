#include "server/jobs/job_manager.h"

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "model/presets.h"
#include "tests/server/jobs/jobs_fixture.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using JobManagerTest = JobsTest;

TEST_F(JobManagerTest, FromARequestToAVersion) {
  StartManager();
  const JobRecord accepted = Submit();
  EXPECT_EQ(accepted.state, JobState::kQueued);
  const JobRecord done = WaitForEnd(accepted.id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.published, "tiny@1");
  EXPECT_EQ(done.progress.step, 3);
  EXPECT_EQ(done.attempt, 1);
  EXPECT_TRUE(done.has_eval);
  EXPECT_EQ(done.checkpoint_step, 3);
  EXPECT_GE(done.finished_ms, done.started_ms);
  EXPECT_EQ(StatesOf(done.id), "QUEUED STARTING RUNNING FINALIZING SUCCEEDED");
  EXPECT_EQ(EventsOf(done.id).back().state, JobState::kSucceeded);
  for (const char* type : {kEventStarted, kEventMetrics, kEventEval,
                           kEventCheckpoint, kEventPublished}) {
    EXPECT_GE(CountEvents(done.id, type), 1) << type;
  }
  EXPECT_TRUE(registry->Resolve("tiny").ok());
}

TEST_F(JobManagerTest, TheAttemptIsToldEverythingItNeeds) {
  StartManager();
  const JobRecord job = WaitForEnd(Submit(Spec(40)).id);
  ASSERT_EQ(executor.runs().size(), 1u);
  const TrainRun run = executor.runs()[0];
  EXPECT_EQ(run.job_dir, dir / ("jobs/" + job.id));
  EXPECT_EQ(run.dataset_path, dir / ("datasets/" + dataset + "/data"));
  EXPECT_EQ(run.base_dir, "");
  EXPECT_EQ(run.spec.steps, 40);
  EXPECT_EQ(run.spec.threads, 1);
  EXPECT_EQ(run.fence, job.fence);
  const auto spec = ReadFile(run.job_dir + "/spec.json");
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(*spec, TrainSpecToJson(job.spec));
  EXPECT_EQ(executor.waits(), 1u);  // for what an earlier attempt left
}

TEST_F(JobManagerTest, DefaultsAreResolvedBeforeTheJobIsStored) {
  MakeManager();
  const JobRecord job = Submit(Spec(1000));
  EXPECT_EQ(job.spec.micro_batch, 8);
  EXPECT_EQ(job.spec.warmup_steps, 30);
  EXPECT_EQ(job.spec.eval_every_steps, 100);
  EXPECT_EQ(job.spec.threads, 1);
  EXPECT_GE(job.spec.dropout, 0);
}

TEST_F(JobManagerTest, ABadRequestMakesNoJob) {
  MakeManager();
  const auto refused = [&](const std::function<void(TrainSpec*)>& spoil) {
    TrainSpec spec = Spec();
    spoil(&spec);
    return manager->Submit(spec, "").status();
  };
  const auto steps = refused([](TrainSpec* s) { s->steps = 0; });
  EXPECT_TRUE(absl::IsInvalidArgument(steps));
  EXPECT_THAT(std::string(steps.message()), HasSubstr("spec.steps"));
  EXPECT_TRUE(absl::IsNotFound(refused([](TrainSpec* s) { s->base = "none"; })));
  EXPECT_TRUE(absl::IsNotFound(
      refused([](TrainSpec* s) { s->dataset_sha256 = std::string(64, '0'); })));
  for (const char* name : {"block-1m", "Upper", "a/b", ".."}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        refused([&](TrainSpec* s) { s->model = name; })))
        << name;
  }
  const auto odd = refused([](TrainSpec* s) { s->sequence = 13; });
  EXPECT_TRUE(absl::IsInvalidArgument(odd));
  EXPECT_THAT(std::string(odd.message()), HasSubstr("multiple of 8"));
  EXPECT_TRUE(manager->List("", 10)->empty());
}

TEST_F(JobManagerTest, ManyThreadsWithOneKeyMakeOneJob) {
  StartManager();
  std::vector<std::thread> threads;
  std::vector<std::string> ids(32);
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] { ids[i] = Submit(Spec(), "key").id; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(manager->List("", 100)->size(), 1u);
  EXPECT_TRUE(absl::IsAlreadyExists(manager->Submit(Spec(11), "key").status()));
  WaitForEnd(ids[0]);
}

TEST_F(JobManagerTest, TheBaseIsPinnedAndTheKeyKnowsTheRequest) {
  MakeManager();
  // Two versions of a model, made by hand.
  const auto publish = [&](const std::string& job) {
    TrainRun run;
    run.job_dir = dir / job;
    auto writer = DirWriter::Create(run.job_dir, "test");
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->WriteFile("config.json",
                                  ModelConfigToJson(*PresetConfig("block")))
                    .ok());
    ASSERT_TRUE(writer
                    ->WriteFile("template.json",
                                TemplateToJson(TemplateKind::kText))
                    .ok());
    ASSERT_TRUE(writer->Commit({}).ok());
    ASSERT_TRUE(registry->Publish("base", run.job_dir, job).ok());
  };
  publish("one");
  TrainSpec spec = Spec();
  spec.base = "base";
  const JobRecord first = Submit(spec, "key");
  EXPECT_EQ(first.spec.base, "base@1");
  publish("two");
  // The same request, though `base` now means another version.
  EXPECT_EQ(Submit(spec, "key").id, first.id);
  EXPECT_EQ(Submit(spec, "other key").spec.base, "base@2");
  spec.base = "base@1";
  EXPECT_EQ(Submit(spec).spec.base, "base@1");
  spec.base = "base@live";
  EXPECT_EQ(Submit(spec).spec.base, "base@2");
  for (const char* missing : {"base@3", "base@none", "base@", "other@1"}) {
    spec.base = missing;
    EXPECT_TRUE(absl::IsNotFound(manager->Submit(spec, "").status())) << missing;
  }
}

TEST_F(JobManagerTest, OneSlotRunsOneJobAtATime) {
  executor.Play(TrainUntilTold);
  StartManager();
  const JobRecord first = Submit();
  WaitForState(first.id, JobState::kRunning);
  const JobRecord second = Submit();
  EXPECT_EQ(manager->Get(second.id)->state, JobState::kQueued);
  EXPECT_EQ(executor.runs().size(), 1u);
  ASSERT_TRUE(manager->Cancel(first.id).ok());
  WaitForState(second.id, JobState::kRunning);
  EXPECT_EQ(manager->Get(first.id)->state, JobState::kCancelled);
}

TEST_F(JobManagerTest, ProgressIsCoalescedButTheLastIsKept) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    for (int step = 1; step <= 1000; ++step) attempt->Progress(step);
    return attempt->WriteResult();
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.progress.step, 1000);
  EXPECT_LT(CountEvents(done.id, kEventMetrics), 500);
}

TEST_F(JobManagerTest, HeldProgressComesOutWithoutFurtherEvents) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    attempt->Progress(1);
    attempt->Progress(2);
    return attempt->Obey();
  });
  StartManager();
  const JobRecord job = Submit();
  const JobRecord seen = WaitFor(
      job.id, [](const JobRecord& j) { return j.progress.step == 2; });
  EXPECT_EQ(seen.state, JobState::kRunning);
}

TEST_F(JobManagerTest, ARefusedPublishFailsTheJobAndLeavesTheModelAlone) {
  on_load = [](const std::string&) {
    return absl::InvalidArgumentError("a tensor is missing");
  };
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kFailed);
  EXPECT_EQ(done.error.code, "PUBLISH_REFUSED");
  EXPECT_EQ(Versions(), 0);
}

TEST_F(JobManagerTest, ADamagedResultIsMadeAgain) {
  executor.Direct([this](int n) -> FakeAttempt::Script {
    return [n](FakeAttempt* attempt) {
      attempt->Started();
      const absl::Status written = attempt->WriteResult();
      if (n == 0) {
        fs::resize_file(attempt->run.job_dir + "/result/model.safetensors", 3);
      }
      return written;
    };
  });
  StartManager();
  const JobRecord done = WaitForEnd(Submit().id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.attempt, 2);
  EXPECT_EQ(Versions(), 1);
}

TEST_F(JobManagerTest, StatesAreReportedAfterEveryChange) {
  class Counts final : public JobObserver {
   public:
    void OnJobStates(const std::map<JobState, int64_t>& counts) override {
      MutexLock lock(&mu);
      for (const auto& [state, n] : counts) seen.insert(state);
      last = counts;
    }
    void OnTrainProgress(int64_t steps, int64_t items,
                         const TrainProgress&) override {
      MutexLock lock(&mu);
      steps_total += steps;
      items_total += items;
    }
    void OnCheckpoint(int64_t bytes) override { checkpoint_bytes += bytes; }
    void OnAttemptEnded(absl::string_view cause) override {
      MutexLock lock(&mu);
      causes.insert(std::string(cause));
    }
    Mutex mu;
    std::set<JobState> seen;
    std::map<JobState, int64_t> last;
    std::set<std::string> causes;
    int64_t steps_total = 0, items_total = 0;
    std::atomic<int64_t> checkpoint_bytes{0};
  } counts;
  JobManagerOptions options = Options();
  options.observer = &counts;
  manager = std::make_unique<JobManager>(options, store.get(), &executor,
                                         &datasets, registry.get());
  ASSERT_TRUE(manager->Start().ok());
  WaitForEnd(Submit().id);
  manager.reset();
  EXPECT_EQ(counts.last.at(JobState::kSucceeded), 1);
  EXPECT_EQ(counts.last.count(JobState::kRunning), 0u);
  EXPECT_TRUE(counts.seen.count(JobState::kRunning));
  EXPECT_EQ(counts.steps_total, 3);
  EXPECT_EQ(counts.items_total, 300);
  EXPECT_EQ(counts.checkpoint_bytes, 10);
  EXPECT_TRUE(counts.causes.count("succeeded"));
}

}  // namespace
}  // namespace strata
