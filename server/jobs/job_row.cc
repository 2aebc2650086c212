#include "server/jobs/job_row.h"

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "server/jobs/event_payload.h"

namespace strata {

// `seq` orders jobs of the same millisecond. State is text: the file can be
// read by a person, and a new state needs no migration.
const char kJobSchema[] = R"sql(
CREATE TABLE schema_migrations (
  version INTEGER PRIMARY KEY,
  applied_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  idem_key TEXT,
  spec_hash TEXT NOT NULL,
  spec TEXT NOT NULL,
  state TEXT NOT NULL,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  phase TEXT NOT NULL DEFAULT '',
  attempt INTEGER NOT NULL DEFAULT 0,
  no_progress_attempts INTEGER NOT NULL DEFAULT 0,
  checkpoint_step INTEGER NOT NULL DEFAULT 0,
  attempt_base_step INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_until_ms INTEGER NOT NULL DEFAULT 0,
  fence INTEGER NOT NULL DEFAULT 0,
  not_before_ms INTEGER NOT NULL DEFAULT 0,
  progress TEXT,
  eval TEXT,
  error_code TEXT NOT NULL DEFAULT '',
  error_message TEXT NOT NULL DEFAULT '',
  published TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  started_ms INTEGER NOT NULL DEFAULT 0,
  finished_ms INTEGER NOT NULL DEFAULT 0,
  last_sequence INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX jobs_by_key ON jobs (idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX jobs_by_state ON jobs (state, seq);
CREATE TABLE job_events (
  job_id TEXT NOT NULL REFERENCES jobs (id),
  sequence INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  type TEXT NOT NULL,
  message TEXT NOT NULL,
  state TEXT NOT NULL,
  payload TEXT NOT NULL,
  PRIMARY KEY (job_id, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (
  job_id TEXT NOT NULL REFERENCES jobs (id),
  step INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  path TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (job_id, step)
) STRICT, WITHOUT ROWID;
)sql";

const char kAddLostServers[] =
    "ALTER TABLE jobs ADD COLUMN lost_servers INTEGER NOT NULL DEFAULT 0";

// The folders are the truth (job_manager.h); their history is in the events.
const char kDropCheckpoints[] = "DROP TABLE checkpoints";

const char kAddMicroBatch[] =
    "ALTER TABLE jobs ADD COLUMN micro_batch INTEGER NOT NULL DEFAULT 0";

namespace {

absl::Status Damaged(absl::string_view id, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("job store: job ", id, ": ", what));
}

}  // namespace

absl::StatusOr<JobRecord> ReadJob(const SqliteStatement& row) {
  JobRecord job;
  job.id = row.Text(0);
  job.idempotency_key = row.Text(1);
  auto spec = ParseTrainSpec(row.Text(2));
  if (!spec.ok()) return Damaged(job.id, spec.status().message());
  job.spec = *std::move(spec);
  const auto state = ParseJobState(row.Text(3));
  if (!state.has_value()) return Damaged(job.id, "unknown state");
  job.state = *state;
  job.cancel_requested = row.Int(4) != 0;
  job.phase = row.Text(5);
  job.attempt = static_cast<int>(row.Int(6));
  job.no_progress_attempts = static_cast<int>(row.Int(7));
  job.checkpoint_step = row.Int(8);
  job.attempt_base_step = row.Int(9);
  job.fence = row.Int(10);
  job.not_before_ms = row.Int(11);
  if (!row.IsNull(12)) {
    auto progress = ParseProgress(row.Text(12));
    if (!progress.ok()) return Damaged(job.id, progress.status().message());
    job.progress = *progress;
  }
  job.has_eval = !row.IsNull(13);
  if (job.has_eval) {
    auto eval = ParseEval(row.Text(13));
    if (!eval.ok()) return Damaged(job.id, eval.status().message());
    job.last_eval = *eval;
  }
  job.error.code = row.Text(14);
  job.error.message = row.Text(15);
  job.published = row.Text(16);
  job.created_ms = row.Int(17);
  job.started_ms = row.Int(18);
  job.finished_ms = row.Int(19);
  job.last_sequence = row.Int(20);
  job.lost_servers = static_cast<int>(row.Int(21));
  job.micro_batch = row.Int(22);
  return job;
}

absl::Status InsertJobRow(const JobRecord& job, absl::string_view spec_hash,
                          SqliteDb* db) {
  SqliteStatement insert = db->Use(
      "INSERT INTO jobs (id, idem_key, spec_hash, spec, state, created_ms,"
      " not_before_ms) VALUES (?, ?, ?, ?, ?, ?, ?)");
  insert.Bind(job.id);
  if (job.idempotency_key.empty()) {
    insert.BindNull();
  } else {
    insert.Bind(job.idempotency_key);
  }
  return insert.Bind(spec_hash)
      .Bind(TrainSpecToJson(job.spec))
      .Bind(JobStateName(job.state))
      .Bind(job.created_ms)
      .Bind(job.not_before_ms)
      .Run();
}

absl::Status UpdateJobRow(const JobRecord& job, SqliteDb* db) {
  SqliteStatement update = db->Use(
      "UPDATE jobs SET state = ?, cancel_requested = ?, phase = ?,"
      " attempt = ?, no_progress_attempts = ?, checkpoint_step = ?,"
      " attempt_base_step = ?, fence = ?, not_before_ms = ?, progress = ?,"
      " eval = ?, error_code = ?, error_message = ?, published = ?,"
      " started_ms = ?, finished_ms = ?, last_sequence = ?, lost_servers = ?,"
      " micro_batch = ?,"
      " lease_owner = CASE WHEN ? THEN lease_owner END,"
      " lease_until_ms = CASE WHEN ? THEN lease_until_ms ELSE 0 END"
      " WHERE id = ?");
  update.Bind(JobStateName(job.state))
      .Bind(int64_t{job.cancel_requested})
      .Bind(job.phase)
      .Bind(int64_t{job.attempt})
      .Bind(int64_t{job.no_progress_attempts})
      .Bind(job.checkpoint_step)
      .Bind(job.attempt_base_step)
      .Bind(job.fence)
      .Bind(job.not_before_ms)
      .Bind(ProgressToJson(job.progress));
  if (job.has_eval) {
    update.Bind(EvalToJson(job.last_eval));
  } else {
    update.BindNull();
  }
  const int64_t leased = HasAttempt(job.state);
  return update.Bind(job.error.code)
      .Bind(job.error.message)
      .Bind(job.published)
      .Bind(job.started_ms)
      .Bind(job.finished_ms)
      .Bind(job.last_sequence)
      .Bind(int64_t{job.lost_servers})
      .Bind(job.micro_batch)
      .Bind(leased)
      .Bind(leased)
      .Bind(job.id)
      .Run();
}

absl::StatusOr<JobEvent> ReadEvent(const SqliteStatement& row) {
  JobEvent event;
  event.sequence = row.Int(0);
  event.time_ms = row.Int(1);
  event.attempt = static_cast<int>(row.Int(2));
  event.type = row.Text(3);
  event.message = row.Text(4);
  const auto state = ParseJobState(row.Text(5));
  if (!state.has_value()) {
    return absl::DataLossError("job store: an event has an unknown state");
  }
  event.state = *state;
  event.payload_json = row.Text(6);
  return event;
}

absl::Status InsertEventRow(absl::string_view job_id, const JobEvent& event,
                            SqliteDb* db) {
  return db
      ->Use("INSERT INTO job_events (job_id, " STRATA_EVENT_COLUMNS
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .Bind(job_id)
      .Bind(event.sequence)
      .Bind(event.time_ms)
      .Bind(int64_t{event.attempt})
      .Bind(event.type)
      .Bind(event.message)
      .Bind(JobStateName(event.state))
      .Bind(event.payload_json)
      .Run();
}

}  // namespace strata
