#pragma once
// AttemptEnd: what an attempt tells of its steps and of its end, to be waited for.
// Thread-safe.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "model/base/mutex.h"
#include "server/jobs/executor.h"

namespace strata {

class AttemptEnd final : public AttemptListener {
 public:
  void OnStarted(int64_t, int, const std::string&) override {}
  void OnProgress(const TrainProgress& progress) override {
    MutexLock lock(&mu_);
    steps_ = progress.step;
    cond_.SignalAll();
  }
  void OnEval(const TrainEval&) override {}
  void OnCheckpoint(int64_t, const std::string&, int64_t) override {}
  void OnWarning(const std::string&, const std::string&) override {}
  void OnEnded(const absl::Status& status) override {
    MutexLock lock(&mu_);
    ended_ = true;
    status_ = status;
    cond_.SignalAll();
  }
  void WaitForStep() {
    MutexLock lock(&mu_);
    while (steps_ == 0) cond_.Wait(&mu_);
  }
  absl::Status WaitForEnd() {
    MutexLock lock(&mu_);
    while (!ended_) cond_.Wait(&mu_);
    return status_;
  }
  int64_t steps() {
    MutexLock lock(&mu_);
    return steps_;
  }

 private:
  Mutex mu_;
  CondVar cond_;
  int64_t steps_ = 0;
  bool ended_ = false;
  absl::Status status_;
};

}  // namespace strata
