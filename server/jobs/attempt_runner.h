#pragma once
// AttemptRunner: one claimed job, from its claim to the end of its attempt. Run
// belongs to a slot's thread; the Request functions may come from any; events
// come on a thread of the executor. Every write carries the claim's fence: once
// that is refused, the attempt is killed and nothing more is written.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "model/base/mutex.h"
#include "server/jobs/attempt_events.h"
#include "server/jobs/executor.h"
#include "server/jobs/job_context.h"

namespace strata {

class AttemptRunner final : private AttemptListener {
 public:
  // `device`: that its trainer is told, as TrainRun names it.
  AttemptRunner(JobContext* context, JobRecord claimed, std::string device);

  void Run();            // blocks until the end of the attempt is stored
  void RequestCancel();  // the job is CANCELLING in the store
  void RequestDrain();   // checkpoint and stop
  void RequestKill();    // the drain is over

 private:
  void OnStarted(int64_t resumed_from_step, int threads,
                 const std::string& environment_json) override;
  void OnProgress(const TrainProgress& progress) override;
  void OnEval(const TrainEval& eval) override;
  void OnCheckpoint(int64_t step, const std::string& path,
                    int64_t bytes) override;
  void OnWarning(const std::string& code, const std::string& message) override;
  void OnAlive() override { Heard(); }
  void OnEnded(const absl::Status& status) override;

  absl::Status Train();    // one run of the executor
  absl::Status Prepare();  // of the job's folder
  absl::StatusOr<TrainRun> MakeRun() const;
  absl::Status Supervise(Attempt* attempt);
  MonotonicTime Tend(Attempt* attempt, MonotonicTime now);
  MonotonicTime stalls_at() const STRATA_REQUIRES(mu_);
  void Heard();  // the child said something
  void RenewLease();
  bool ResultIsWhole() const;
  bool StoreFinalizing();  // false: the attempt is over another way
  void Publish();
  void StoreEnd(const AttemptVerdict& verdict, const std::string& message);
  bool StoreSurely(const JobStore::Change& change, JobRecord* out);
  bool drained() const;

  JobContext* const context_;
  const JobRecord claimed_;
  const std::string device_;
  AttemptEvents events_;

  mutable Mutex mu_;
  CondVar cond_;
  bool cancel_ STRATA_GUARDED_BY(mu_) = false;
  bool drain_ STRATA_GUARDED_BY(mu_) = false;
  bool kill_ STRATA_GUARDED_BY(mu_) = false;
  bool started_ STRATA_GUARDED_BY(mu_) = false;  // the trainer said so
  MonotonicTime heard_ STRATA_GUARDED_BY(mu_);
  std::optional<absl::Status> ended_ STRATA_GUARDED_BY(mu_);
  // Of the slot's thread.
  bool began_ = false;  // its process did
  bool cancel_sent_ = false;
  bool drain_sent_ = false;
  MonotonicTime kill_at_ = MonotonicTime::max();
  MonotonicTime renew_at_;
};

}  // namespace strata
