#pragma once
// What the parts of the job machine share: the borrowed collaborators, and the
// one way to change a job (store first, then tell). Thread-safe.

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/mutex.h"
#include "server/jobs/attempt_policy.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/job_watchers.h"

namespace strata {

// In JobRecord.phase of a job whose result is whole: it is published without
// training again, also by the next process.
inline constexpr char kPhasePublishing[] = "publishing";

// One process embeds store and slots, so a lease only has to outlive a stall of
// the heartbeat.
inline constexpr int64_t kLeaseMs = 30'000;
inline constexpr int64_t kLeaseRenewMs = 5'000;

class JobContext {
 public:
  JobContext(JobManagerOptions options_in, JobStore* store_in,
             Executor* executor_in, DatasetStore* datasets_in,
             ModelRegistry* registry_in);

  // JobStore::Update, then wakes the job's watchers and reports the states.
  absl::StatusOr<JobRecord> Change(absl::string_view id, int64_t fence,
                                   Durability durability,
                                   const JobStore::Change& change);
  // After a change that was made by other means.
  void Changed(absl::string_view id);

  std::string JobDir(absl::string_view id) const;
  std::string ResultDir(absl::string_view id) const;
  // Checkpoints and result, of a job that needs them no more.
  void RemoveWork(absl::string_view id) const;
  int64_t NowMs() const { return options.clock->WallMillis(); }
  RetryLimits retry_limits() const;
  void AttemptEnded(absl::string_view cause) const;

  const JobManagerOptions options;
  JobStore* const store;
  Executor* const executor;
  DatasetStore* const datasets;
  ModelRegistry* const registry;
  const std::string owner;  // this incarnation
  JobWatchers watchers;

 private:
  Mutex report_mu_;  // counted and reported in one order: the last is the truth
};

}  // namespace strata
