#pragma once
// FakeExecutor: attempts are scripts on threads of their own, in this process. A
// script plays the trainer: it tells events, waits for signals, writes a result,
// and returns what the attempt ends with. Thread-safe.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/mutex.h"
#include "model/version_dir.h"
#include "server/jobs/executor.h"

namespace strata {

class FakeAttempt final : public Attempt {
 public:
  using Script = std::function<absl::Status(FakeAttempt*)>;

  FakeAttempt(TrainRun run_in, AttemptListener* listener_in, Script script)
      : run(std::move(run_in)), listener(listener_in) {
    thread_ = std::thread([this, script = std::move(script)] {
      const absl::Status status = script(this);
      listener->OnEnded(killed() ? absl::UnavailableError("killed") : status);
    });
  }
  ~FakeAttempt() override {
    Kill();
    thread_.join();
  }

  void Signal(TrainObserver::Signal signal) override {
    MutexLock lock(&mu_);
    signal_ = signal;
    cond_.SignalAll();
  }
  void Kill() override {
    MutexLock lock(&mu_);
    killed_ = true;
    cond_.SignalAll();
  }

  // For scripts.
  void Started(int64_t from = 0) { listener->OnStarted(from, 1, "{}"); }
  void Progress(int64_t step) {
    TrainProgress progress;
    progress.step = step;
    progress.total_steps = run.spec.steps;
    progress.items_total = step * 100;
    progress.loss = 5.0 / static_cast<double>(step + 1);
    listener->OnProgress(progress);
  }
  void Checkpoint(int64_t step) {
    listener->OnCheckpoint(step, absl::StrCat("step-", step), 10);
  }
  bool killed() {
    MutexLock lock(&mu_);
    return killed_;
  }
  // Waits for a signal and answers as the trainer would; or for the kill.
  absl::Status Obey() {
    MutexLock lock(&mu_);
    while (!killed_ && signal_ == TrainObserver::Signal::kContinue) {
      cond_.Wait(&mu_);
    }
    if (killed_) return absl::UnavailableError("killed");
    return signal_ == TrainObserver::Signal::kCancel
               ? absl::CancelledError("cancelled")
               : absl::AbortedError("stopped");
  }
  void WaitForKill() {
    MutexLock lock(&mu_);
    while (!killed_) cond_.Wait(&mu_);
  }
  absl::Status WriteResult() {
    auto writer = DirWriter::Create(run.job_dir + "/result", "test");
    if (!writer.ok()) return writer.status();
    for (const char* name : {"config.json", "model.safetensors"}) {
      const absl::Status status =
          writer->WriteFile(name, absl::StrCat(name, run.job_dir));
      if (!status.ok()) return status;
    }
    return writer->Commit({});
  }

  const TrainRun run;
  AttemptListener* const listener;

 private:
  Mutex mu_;
  CondVar cond_;
  TrainObserver::Signal signal_ STRATA_GUARDED_BY(mu_) =
      TrainObserver::Signal::kContinue;
  bool killed_ STRATA_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// What most jobs do: three steps, one checkpoint, a result.
inline absl::Status TrainWell(FakeAttempt* attempt) {
  attempt->Started();
  for (int step = 1; step <= 3; ++step) attempt->Progress(step);
  TrainEval eval;
  eval.step = 3;
  attempt->listener->OnEval(eval);
  attempt->Checkpoint(3);
  return attempt->WriteResult();
}

inline absl::Status TrainUntilTold(FakeAttempt* attempt) {
  attempt->Started();
  attempt->Progress(1);
  return attempt->Obey();
}

class FakeExecutor final : public Executor {
 public:
  // The n-th attempt (from 0) of any job plays `script(n)`.
  using Director = std::function<FakeAttempt::Script(int n)>;

  void Play(FakeAttempt::Script script) {
    Direct([script](int) { return script; });
  }
  void Direct(Director director) {
    MutexLock lock(&mu_);
    director_ = std::move(director);
  }

  void FailStarts(int times, absl::Status status) {
    MutexLock lock(&mu_);
    failures_ = times;
    failure_ = std::move(status);
  }

  absl::StatusOr<std::unique_ptr<Attempt>> Start(
      const TrainRun& run, AttemptListener* listener) override {
    MutexLock lock(&mu_);
    if (failures_ > 0) {
      --failures_;
      return failure_;
    }
    runs_.push_back(run);
    const int n = static_cast<int>(runs_.size()) - 1;
    return std::unique_ptr<Attempt>(
        new FakeAttempt(run, listener, director_(n)));
  }
  absl::Status WaitUntilGone(const std::string& job_dir,
                             MonotonicTime) override {
    MutexLock lock(&mu_);
    waited_.push_back(job_dir);
    return absl::OkStatus();
  }

  std::vector<TrainRun> runs() {
    MutexLock lock(&mu_);
    return runs_;
  }
  size_t waits() {
    MutexLock lock(&mu_);
    return waited_.size();
  }

 private:
  Mutex mu_;
  Director director_ STRATA_GUARDED_BY(mu_) = [](int) { return TrainWell; };
  int failures_ STRATA_GUARDED_BY(mu_) = 0;
  absl::Status failure_ STRATA_GUARDED_BY(mu_);
  std::vector<TrainRun> runs_ STRATA_GUARDED_BY(mu_);
  std::vector<std::string> waited_ STRATA_GUARDED_BY(mu_);
};

}  // namespace strata
