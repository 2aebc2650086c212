#pragma once
// Executor: runs one attempt of a job somewhere. LocalExecutor runs
// `strata-server trainer` as a child process: a crash, an abort or the OOM
// killer takes down one attempt, never the serving, and a Kubernetes Job can
// run the same command. The child ends by itself when its pipe closes.

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/base/clock.h"
#include "model/trainer.h"

namespace strata {

// Receives the attempt's events, on a thread of the executor, one at a time.
class AttemptListener {
 public:
  virtual ~AttemptListener() = default;
  virtual void OnStarted(int64_t resumed_from_step, int threads,
                         const std::string& environment_json) = 0;
  virtual void OnProgress(const TrainProgress& progress) = 0;
  virtual void OnEval(const TrainEval& eval) = 0;
  virtual void OnCheckpoint(int64_t step, const std::string& path,
                            int64_t bytes) = 0;
  virtual void OnWarning(const std::string& code,
                         const std::string& message) = 0;
  virtual void OnAlive() {}  // nothing new, but it goes on
  // Last, exactly once, when the attempt's process is gone. OK: the result
  // folder is durable. The codes of RunTraining, or UNAVAILABLE when the process
  // died without saying why (signal, OOM killer).
  virtual void OnEnded(const absl::Status& status) = 0;
};

// A running attempt. Thread-safe. Destruction kills it and waits for its end.
class Attempt {
 public:
  virtual ~Attempt() = default;
  virtual void Signal(TrainObserver::Signal signal) = 0;  // cooperative
  virtual void Kill() = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;
  // `listener` outlives the attempt.
  virtual absl::StatusOr<std::unique_ptr<Attempt>> Start(
      const TrainRun& run, AttemptListener* listener) = 0;
  // Returns when nothing that an earlier attempt (perhaps of an earlier server
  // process) started for this job folder runs any more; what still does at
  // `kill_at` is killed. Called before every Start.
  virtual absl::Status WaitUntilGone(const std::string& job_dir,
                                     MonotonicTime kill_at) {
    return absl::OkStatus();
  }
};

}  // namespace strata
