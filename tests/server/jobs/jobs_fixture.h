#pragma once
// What the tests of the job machine share: a data folder with one dataset, a
// registry that believes every version folder, a store, a fake executor, and
// ways to wait.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/version_dir.h"
#include "server/jobs/event_payload.h"
#include "server/jobs/job_manager.h"
#include "tests/server/jobs/fake_executor.h"
#include "tests/testing/fake_generator.h"
#include "tests/testing/temp_dir.h"

namespace strata {

class JobsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto upload = datasets.StartUpload();
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE((*upload)->Append("some text to train on, and more of it").ok());
    auto stored = (*upload)->Finish(nullptr);
    ASSERT_TRUE(stored.ok()) << stored.status();
    dataset = stored->sha256;
    OpenStore();
    OpenRegistry();
  }
  void TearDown() override { manager.reset(); }

  void OpenStore() {
    store.reset();
    auto opened = OpenSqliteJobStore(dir / "jobs.sqlite");
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  }
  void OpenRegistry() {
    registry = std::make_unique<ModelRegistry>(
        dir / "models",
        [this](const std::string& path)
            -> absl::StatusOr<std::shared_ptr<const LoadedModel>> {
          if (on_load) {
            const absl::Status status = on_load(path);
            if (!status.ok()) return status;
          }
          const auto manifest = ReadManifest(path, /*verify=*/true);
          if (!manifest.ok()) return manifest.status();
          return std::make_shared<FakeModel>();
        });
    ASSERT_TRUE(registry->LoadAll().ok());
  }

  JobManagerOptions Options() {
    JobManagerOptions options;
    options.jobs_dir = dir / "jobs";
    options.retry_base_ms = 20;
    options.cancel_grace_ms = cancel_grace_ms;
    options.slots = slots;
    return options;
  }
  void MakeManager() {
    manager = std::make_unique<JobManager>(Options(), store.get(), &executor,
                                           &datasets, registry.get());
  }
  void StartManager() {
    MakeManager();
    const absl::Status status = manager->Start();
    ASSERT_TRUE(status.ok()) << status;
  }
  // As a new process would: the store, the registry and the manager anew.
  void Restart() {
    manager.reset();
    OpenStore();
    OpenRegistry();
    StartManager();
  }

  TrainSpec Spec(int64_t steps = 10) {
    TrainSpec spec;
    spec.base = "block";
    spec.dataset_sha256 = dataset;
    spec.model = "tiny";
    spec.steps = steps;
    return spec;
  }
  JobRecord Submit(const TrainSpec& spec, const std::string& key = "") {
    auto job = manager->Submit(spec, key);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.value_or(JobRecord());
  }
  JobRecord Submit() { return Submit(Spec()); }

  // Waits by watching, as a client does.
  JobRecord WaitFor(const std::string& id,
                    const std::function<bool(const JobRecord&)>& reached) {
    Mutex mu;
    CondVar cond;
    bool woken = false;
    const int64_t subscription = manager->Subscribe(id, [&] {
      MutexLock lock(&mu);
      woken = true;
      cond.SignalAll();
    });
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(60);
    absl::StatusOr<JobRecord> job;
    while (true) {
      job = manager->Get(id);
      if (!job.ok() || reached(*job)) break;
      MutexLock lock(&mu);
      while (!woken && cond.WaitUntil(&mu, deadline)) {
      }
      if (!woken) break;
      woken = false;
    }
    manager->Unsubscribe(subscription);
    EXPECT_TRUE(job.ok()) << job.status();
    EXPECT_TRUE(job.ok() && reached(*job)) << JobStateName(job->state);
    return job.value_or(JobRecord());
  }
  JobRecord WaitForState(const std::string& id, JobState state) {
    return WaitFor(id, [=](const JobRecord& job) {
      return job.state == state || (IsTerminal(job.state) && !IsTerminal(state));
    });
  }
  JobRecord WaitForEnd(const std::string& id) {
    return WaitFor(id, [](const JobRecord& j) { return IsTerminal(j.state); });
  }

  std::vector<JobEvent> EventsOf(const std::string& id) {
    auto events = store->Events(id, 0, 1'000'000);
    EXPECT_TRUE(events.ok()) << events.status();
    return events.value_or(std::vector<JobEvent>());
  }
  // The states a job went through, in order.
  std::string StatesOf(const std::string& id) {
    std::string states;
    for (const JobEvent& event : EventsOf(id)) {
      if (event.type != kEventStateChanged) continue;
      absl::StrAppend(&states, states.empty() ? "" : " ",
                      JobStateName(event.state));
    }
    return states;
  }
  int CountEvents(const std::string& id, const std::string& type) {
    int n = 0;
    for (const JobEvent& event : EventsOf(id)) n += event.type == type;
    return n;
  }
  int Versions(const std::string& model = "tiny") {
    const auto info = registry->Get(model);
    return info.ok() ? static_cast<int>(info->versions.size()) : 0;
  }

  TempDir dir;
  int slots = 1;
  int64_t cancel_grace_ms = 100;
  std::string dataset;
  std::function<absl::Status(const std::string&)> on_load;
  FakeExecutor executor;
  DatasetStore datasets{dir / "datasets", 1 << 20};
  std::unique_ptr<ModelRegistry> registry;
  std::unique_ptr<JobStore> store;
  std::unique_ptr<JobManager> manager;
};

}  // namespace strata
