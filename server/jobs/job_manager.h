#pragma once
// JobManager: accepts jobs, runs them one at a time per slot in child processes
// through an Executor, stores their events, publishes their results, and lets
// clients watch. Every state is in the JobStore before anyone is told of it, so
// that a kill at any moment loses nothing. Thread-safe.
//
// JOBS/ID/ holds spec.json, run.json, checkpoints/ and result/ of a job. Once it
// has SUCCEEDED, the version is in the registry, and checkpoints/ and result/ go;
// those of a job that FAILED or was CANCELLED go after keep_ended_ms. The row and
// the events stay.
//
// Which checkpoints there are is told by the folders, not by the store: a folder
// is whole or garbage by its manifest (model/train/checkpoint.h), so resuming needs
// no row, and one whose announcement was lost with its server is not lost itself.
// What a row would keep out, the folder of an attempt that was given up, cannot
// come: no attempt starts before the process of the last one is gone
// (Executor::WaitUntilGone). checkpoint_saved events are history.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/clock.h"
#include "server/jobs/dataset_store.h"
#include "server/jobs/executor.h"
#include "server/jobs/job.h"
#include "server/jobs/job_store.h"
#include "server/jobs/observer.h"
#include "server/registry/registry.h"

namespace strata {

struct JobManagerOptions {
  std::string jobs_dir;       // DATA/jobs; one folder per job
  int slots = 1;              // jobs that run at the same time
  int trainer_threads = 1;    // default of TrainSpec.threads
  // As TrainRun names them; those of the slots in turn. Not empty.
  std::vector<std::string> trainer_devices = {"cpu"};
  std::vector<std::string> decode_devices;  // of the same names, where streams are
  // Bytes; no job may build a datastore that takes more.
  int64_t datastore_memory = std::numeric_limits<int64_t>::max();
  // Lost in a row without a new checkpoint, after which a job fails; of servers
  // that end while they run it, twice as many (attempt_policy.h).
  int max_attempts_without_progress = 5;
  int64_t retry_base_ms = 10'000;  // doubled each time, at most 10 minutes
  // An attempt that tells nothing for so long is killed and tried again; 0: none
  // is. A healthy one tells of its life at every micro-batch, so this must exceed
  // the longest of a micro-batch, the reading of a dataset and a save.
  int64_t stall_timeout_ms = 1'800'000;
  int64_t cancel_grace_ms = 5'000;  // before a cancelled attempt is killed
  int64_t keep_ended_ms = 24 * 3'600'000;  // 0: for ever
  const Clock* clock = Clock::System();
  JobObserver* observer = nullptr;
};

class JobManager {
 public:
  // Borrowed pointers outlive the manager.
  JobManager(JobManagerOptions options, JobStore* store, Executor* executor,
             DatasetStore* datasets, ModelRegistry* registry);
  ~JobManager();  // Stop(0)

  // Recovers what an earlier process left (expired leases, temporary folders),
  // then starts the slots. REQUIRES: no other process works on the same store
  // (the server locks its data folder): its leases would be taken for dead ones.
  absl::Status Start();

  // Validates and resolves the spec, then stores the job. INVALID_ARGUMENT names
  // the field; NOT_FOUND: base or dataset; ALREADY_EXISTS: the key is taken by
  // another request. The same key and spec give the same job.
  absl::StatusOr<JobRecord> Submit(const TrainSpec& spec,
                                   absl::string_view idempotency_key);
  absl::StatusOr<JobRecord> Get(absl::string_view id) const;
  // Newest first; `after_id` empty for the first page.
  absl::StatusOr<std::vector<JobRecord>> List(absl::string_view after_id,
                                              int limit) const;
  // Terminal already, or being published (FINALIZING): FAILED_PRECONDITION.
  // Else the job ends CANCELLED.
  absl::StatusOr<JobRecord> Cancel(absl::string_view id);

  // Stored events with sequence > after, oldest first.
  absl::StatusOr<std::vector<JobEvent>> Events(absl::string_view id,
                                               int64_t after, int limit) const;
  // `wake` is called, from any thread and without blocking, after every new
  // event of the job until Unsubscribe returns. It must not call the manager,
  // but for Unsubscribe, which then does not wait.
  int64_t Subscribe(absl::string_view id, std::function<void()> wake);
  void Unsubscribe(int64_t subscription);

  // Drain: running attempts checkpoint and go back to QUEUED, or are killed at
  // the deadline (safe: they resume from their last checkpoint).
  void Stop(MonotonicTime deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace strata
