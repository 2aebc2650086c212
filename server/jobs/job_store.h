#pragma once
// JobStore: where jobs live. One implementation (SQLite, WAL); every
// implementation passes tests/server/jobs/job_store_contract.h. Thread-safe.
//
// Every change is one transaction that also appends its events, so that state
// and events cannot disagree. Changes by a running attempt carry its fencing
// number and are refused (ABORTED) once another claim has raised it.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/clock.h"
#include "server/jobs/job.h"

namespace strata {

enum class Durability { kFull, kRelaxed };  // fsync, or lose the last on a power cut

// No retry waits so long: a QUEUED job's not_before_ms further ahead than this
// comes from a wall clock that jumped, and does not hold the job back.
inline constexpr int64_t kMaxNotBeforeAheadMs = 15 * 60 * 1000;

class JobStore {
 public:
  virtual ~JobStore() = default;

  // Inserts with event 1. With a key that exists: the stored job when spec_hash
  // is equal, else ALREADY_EXISTS (message names the job).
  virtual absl::StatusOr<JobRecord> Insert(const JobRecord& job,
                                           absl::string_view spec_hash) = 0;
  // The job of an idempotency key. NOT_FOUND; ALREADY_EXISTS as for Insert.
  virtual absl::StatusOr<JobRecord> FindByKey(absl::string_view key,
                                              absl::string_view spec_hash)
      const = 0;
  virtual absl::StatusOr<JobRecord> Get(absl::string_view id) const = 0;
  // Newest first, after the job `after_id` (empty: from the newest).
  virtual absl::StatusOr<std::vector<JobRecord>> List(absl::string_view after_id,
                                                      int limit) const = 0;
  // NOT_FOUND: no such job.
  virtual absl::StatusOr<std::vector<JobEvent>> Events(absl::string_view id,
                                                       int64_t after,
                                                       int limit) const = 0;

  // Claims the oldest eligible QUEUED job: state STARTING, fence + 1,
  // attempt + 1, lease until now + lease_ms. NOT_FOUND when there is none.
  virtual absl::StatusOr<JobRecord> Claim(absl::string_view owner,
                                          int64_t now_ms, int64_t lease_ms) = 0;
  virtual absl::Status RenewLease(absl::string_view id, int64_t fence,
                                  int64_t until_ms) = 0;

  // Reads the job, lets `change` edit it and append events (sequence, time,
  // attempt and state are filled in), writes both in one transaction. A new
  // state appends `state_changed` by itself. `fence` >= 0 must match. An illegal
  // state transition, or any change of a terminal job, is FAILED_PRECONDITION and
  // changes nothing; an error of `change` too. `change` may raise the fence, to
  // shut out an attempt that is given up. Returns the new record.
  using Change =
      std::function<absl::Status(JobRecord* job, std::vector<JobEvent>* events)>;
  virtual absl::StatusOr<JobRecord> Update(absl::string_view id, int64_t fence,
                                           Durability durability,
                                           const Change& change) = 0;

  // Jobs with an attempt whose lease ended before `now_ms`, or whose owner is
  // not `owner`.
  virtual absl::StatusOr<std::vector<JobRecord>> Orphans(
      absl::string_view owner, int64_t now_ms) const = 0;
  virtual absl::StatusOr<std::map<JobState, int64_t>> CountByState() const = 0;
};

// Opens or creates the database file, migrating its schema.
absl::StatusOr<std::unique_ptr<JobStore>> OpenSqliteJobStore(
    const std::string& path, const Clock* clock = Clock::System());

}  // namespace strata
