#pragma once
// Rows of the job tables to structs and back. The column lists and the order of
// binding and reading stand side by side in job_row.cc. Thread-compatible.

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/jobs/job.h"
#include "server/jobs/sqlite_db.h"

namespace strata {

extern const char kJobSchema[];    // version 1
extern const char kAddLostServers[];   // from version 1 to 2
extern const char kDropCheckpoints[];  // from version 2 to 3
extern const char kAddMicroBatch[];    // from version 3 to 4

// Columns of a job, in the order that ReadJob expects.
#define STRATA_JOB_COLUMNS                                                    \
  "id, idem_key, spec, state, cancel_requested, phase, attempt, "             \
  "no_progress_attempts, checkpoint_step, attempt_base_step, fence, "         \
  "not_before_ms, progress, eval, error_code, error_message, published, "     \
  "created_ms, started_ms, finished_ms, last_sequence, lost_servers, " \
  "micro_batch"
inline constexpr int kJobColumns = 23;

absl::StatusOr<JobRecord> ReadJob(const SqliteStatement& row);

absl::Status InsertJobRow(const JobRecord& job, absl::string_view spec_hash,
                          SqliteDb* db);
// Writes every column that may change; a job without an attempt has no lease.
absl::Status UpdateJobRow(const JobRecord& job, SqliteDb* db);

// Columns of an event, in the order that ReadEvent expects.
#define STRATA_EVENT_COLUMNS \
  "sequence, time_ms, attempt, type, message, state, payload"

absl::StatusOr<JobEvent> ReadEvent(const SqliteStatement& row);
absl::Status InsertEventRow(absl::string_view job_id, const JobEvent& event,
                            SqliteDb* db);

}  // namespace strata
