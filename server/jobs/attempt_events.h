#pragma once
// AttemptEvents: writes what an attempt tells into the store, in order and under
// the claim's fence. Progress is stored at most twice a second; the last of it
// always, before whatever comes next. Thread-safe.

#include <cstdint>
#include <optional>
#include <string>

#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/jobs/job_context.h"

namespace strata {

class AttemptEvents {
 public:
  AttemptEvents(JobContext* context, const JobRecord& claimed);

  void Started(int64_t resumed_from_step, int threads,
               const std::string& environment_json);
  void Progress(const TrainProgress& progress);
  void Eval(const TrainEval& eval);
  void Checkpoint(int64_t step, const std::string& path, int64_t bytes);
  void Warning(const std::string& code, const std::string& message);

  // Stores progress that is held back, if it is due by `now`.
  void Flush(MonotonicTime now = MonotonicTime::max());
  MonotonicTime flush_at() const;  // max() when nothing is held back
  // The claim is void: another one came, or the job has ended.
  bool fenced() const;

 private:
  void Store(Durability durability, const JobStore::Change& change)
      STRATA_REQUIRES(mu_);
  void StoreHeld() STRATA_REQUIRES(mu_);
  void Observe(const TrainProgress& progress) STRATA_REQUIRES(mu_);

  JobContext* const context_;
  const std::string id_;
  const int64_t fence_;

  mutable Mutex mu_;  // held while storing: events keep their order
  bool started_ STRATA_GUARDED_BY(mu_) = false;
  bool running_stored_ STRATA_GUARDED_BY(mu_) = false;
  bool fenced_ STRATA_GUARDED_BY(mu_) = false;
  std::optional<TrainProgress> held_ STRATA_GUARDED_BY(mu_);
  MonotonicTime next_store_ STRATA_GUARDED_BY(mu_){};
  int64_t observed_step_ STRATA_GUARDED_BY(mu_) = 0;
  int64_t observed_items_ STRATA_GUARDED_BY(mu_) = 0;
};

}  // namespace strata
