#include "server/jobs/sqlite_job_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "server/jobs/event_payload.h"
#include "server/jobs/job_row.h"

namespace strata {
namespace {

// The statements that bring a file from each version to the next.
constexpr const char* kMigrations[] = {kJobSchema, kAddLostServers,
                                       kDropCheckpoints, kAddMicroBatch};
constexpr int64_t kSchemaVersion = std::size(kMigrations);

absl::Status NoSuchJob(absl::string_view id) {
  return absl::NotFoundError(absl::StrCat("there is no job ", id));
}

absl::StatusOr<std::vector<JobRecord>> ReadJobs(SqliteStatement* query) {
  std::vector<JobRecord> jobs;
  while (true) {
    STRATA_ASSIGN_OR_RETURN(const bool row, query->Step());
    if (!row) return jobs;
    STRATA_ASSIGN_OR_RETURN(JobRecord job, ReadJob(*query));
    jobs.push_back(std::move(job));
  }
}

absl::Status CheckTransition(const JobRecord& job, JobState from) {
  if (job.state == from || IsLegalTransition(from, job.state)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("job ", job.id, " is ", JobStateName(from),
                   "; it cannot become ", JobStateName(job.state)));
}

}  // namespace

SqliteJobStore::SqliteJobStore(std::unique_ptr<SqliteDb> db, const Clock* clock)
    : db_(std::move(db)), clock_(clock) {}

absl::Status SqliteJobStore::Migrate() {
  MutexLock lock(&mu_);
  STRATA_ASSIGN_OR_RETURN(SqliteTransaction transaction,
                          SqliteTransaction::Begin(db_.get(), /*sync=*/true));
  int64_t version = 0;
  {
    SqliteStatement exists = db_->Use(
        "SELECT count(*) FROM sqlite_master WHERE name = 'schema_migrations'");
    STRATA_RETURN_IF_ERROR(exists.Step().status());
    if (exists.Int(0) != 0) {
      SqliteStatement newest =
          db_->Use("SELECT coalesce(max(version), 0) FROM schema_migrations");
      STRATA_RETURN_IF_ERROR(newest.Step().status());
      version = newest.Int(0);
    }
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("job store: the file has schema ", version,
                     "; this program knows up to ", kSchemaVersion));
  }
  for (; version < kSchemaVersion; ++version) {
    STRATA_RETURN_IF_ERROR(db_->Exec(kMigrations[version]));
    STRATA_RETURN_IF_ERROR(
        db_->Use("INSERT INTO schema_migrations VALUES (?, ?)")
            .Bind(version + 1)
            .Bind(clock_->WallMillis())
            .Run());
  }
  return transaction.Commit();
}

absl::StatusOr<JobRecord> SqliteJobStore::Insert(const JobRecord& job,
                                                 absl::string_view spec_hash) {
  MutexLock lock(&mu_);
  STRATA_ASSIGN_OR_RETURN(SqliteTransaction transaction,
                          SqliteTransaction::Begin(db_.get(), /*sync=*/true));
  if (!job.idempotency_key.empty()) {
    auto found = FindByKeyLocked(job.idempotency_key, spec_hash);
    if (!absl::IsNotFound(found.status())) return found;
  }
  STRATA_RETURN_IF_ERROR(InsertJobRow(job, spec_hash, db_.get()));
  JobRecord stored = job;
  JobEvent first;
  first.type = kEventStateChanged;
  first.message = std::string(JobStateName(job.state));
  STRATA_RETURN_IF_ERROR(Write(job.state, {first}, &stored));
  STRATA_RETURN_IF_ERROR(transaction.Commit());
  return stored;
}

absl::StatusOr<JobRecord> SqliteJobStore::FindByKey(
    absl::string_view key, absl::string_view spec_hash) const {
  MutexLock lock(&mu_);
  return FindByKeyLocked(key, spec_hash);
}

absl::StatusOr<JobRecord> SqliteJobStore::FindByKeyLocked(
    absl::string_view key, absl::string_view spec_hash) const {
  SqliteStatement query = db_->Use(
      "SELECT " STRATA_JOB_COLUMNS ", spec_hash FROM jobs WHERE idem_key = ?");
  query.Bind(key);
  STRATA_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) return absl::NotFoundError("no job has this idempotency_key");
  STRATA_ASSIGN_OR_RETURN(JobRecord job, ReadJob(query));
  if (query.Text(kJobColumns) == spec_hash) return job;
  return absl::AlreadyExistsError(
      absl::StrCat("idempotency_key \"", key, "\" belongs to job ", job.id,
                   ", which has another spec"));
}

absl::StatusOr<JobRecord> SqliteJobStore::Get(absl::string_view id) const {
  MutexLock lock(&mu_);
  return GetLocked(id);
}

absl::StatusOr<JobRecord> SqliteJobStore::GetLocked(
    absl::string_view id) const {
  SqliteStatement query =
      db_->Use("SELECT " STRATA_JOB_COLUMNS " FROM jobs WHERE id = ?");
  query.Bind(id);
  STRATA_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) return NoSuchJob(id);
  return ReadJob(query);
}

absl::StatusOr<std::vector<JobRecord>> SqliteJobStore::List(
    absl::string_view after_id, int limit) const {
  MutexLock lock(&mu_);
  if (!after_id.empty()) STRATA_RETURN_IF_ERROR(GetLocked(after_id).status());
  SqliteStatement query =
      db_->Use("SELECT " STRATA_JOB_COLUMNS
               " FROM jobs WHERE ?1 = '' OR"
               " seq < (SELECT seq FROM jobs WHERE id = ?1)"
               " ORDER BY seq DESC LIMIT ?2");
  query.Bind(after_id).Bind(int64_t{limit});
  return ReadJobs(&query);
}

absl::StatusOr<std::vector<JobEvent>> SqliteJobStore::Events(
    absl::string_view id, int64_t after, int limit) const {
  MutexLock lock(&mu_);
  SqliteStatement query =
      db_->Use("SELECT " STRATA_EVENT_COLUMNS
               " FROM job_events WHERE job_id = ? AND sequence > ?"
               " ORDER BY sequence LIMIT ?");
  query.Bind(id).Bind(after).Bind(int64_t{limit});
  std::vector<JobEvent> events;
  while (true) {
    STRATA_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) break;
    STRATA_ASSIGN_OR_RETURN(JobEvent event, ReadEvent(query));
    events.push_back(std::move(event));
  }
  if (events.empty()) STRATA_RETURN_IF_ERROR(GetLocked(id).status());
  return events;
}

absl::StatusOr<std::string> SqliteJobStore::Eligible(int64_t now_ms) const {
  SqliteStatement query = db_->Use(
      "SELECT id FROM jobs WHERE state = 'QUEUED'"
      " AND (not_before_ms <= ?1 OR not_before_ms > ?1 + ?2)"
      " ORDER BY seq LIMIT 1");
  query.Bind(now_ms).Bind(kMaxNotBeforeAheadMs);
  STRATA_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) return absl::NotFoundError("no job is waiting");
  return query.Text(0);
}

absl::StatusOr<JobRecord> SqliteJobStore::Claim(absl::string_view owner,
                                                int64_t now_ms,
                                                int64_t lease_ms) {
  MutexLock lock(&mu_);
  // Most polls find nothing: those take no write lock.
  STRATA_RETURN_IF_ERROR(Eligible(now_ms).status());
  STRATA_ASSIGN_OR_RETURN(SqliteTransaction transaction,
                          SqliteTransaction::Begin(db_.get(), /*sync=*/true));
  STRATA_ASSIGN_OR_RETURN(const std::string id, Eligible(now_ms));
  STRATA_ASSIGN_OR_RETURN(JobRecord job, GetLocked(id));
  const JobState old_state = job.state;
  job.state = JobState::kStarting;
  ++job.fence;
  ++job.attempt;
  job.attempt_base_step = job.checkpoint_step;
  if (job.started_ms == 0) job.started_ms = now_ms;
  STRATA_RETURN_IF_ERROR(Write(old_state, {}, &job));
  STRATA_RETURN_IF_ERROR(
      db_->Use("UPDATE jobs SET lease_owner = ?, lease_until_ms = ?"
               " WHERE id = ?")
          .Bind(owner)
          .Bind(now_ms + lease_ms)
          .Bind(id)
          .Run());
  STRATA_RETURN_IF_ERROR(transaction.Commit());
  return job;
}

absl::Status SqliteJobStore::RenewLease(absl::string_view id, int64_t fence,
                                        int64_t until_ms) {
  MutexLock lock(&mu_);
  STRATA_ASSIGN_OR_RETURN(SqliteTransaction transaction,
                          SqliteTransaction::Begin(db_.get(), /*sync=*/false));
  STRATA_RETURN_IF_ERROR(
      db_->Use("UPDATE jobs SET lease_until_ms = ? WHERE id = ? AND fence = ?"
               " AND lease_owner IS NOT NULL")
          .Bind(until_ms)
          .Bind(id)
          .Bind(fence)
          .Run());
  if (db_->changes() != 1) {
    return absl::AbortedError(
        absl::StrCat("the lease on job ", id, " is lost"));
  }
  return transaction.Commit();
}

absl::StatusOr<JobRecord> SqliteJobStore::Update(absl::string_view id,
                                                 int64_t fence,
                                                 Durability durability,
                                                 const Change& change) {
  MutexLock lock(&mu_);
  STRATA_ASSIGN_OR_RETURN(
      SqliteTransaction transaction,
      SqliteTransaction::Begin(db_.get(), durability == Durability::kFull));
  STRATA_ASSIGN_OR_RETURN(JobRecord job, GetLocked(id));
  if (fence >= 0 && job.fence != fence) {
    return absl::AbortedError(absl::StrCat("job ", id, " has fence ", job.fence,
                                           "; the change came with ", fence));
  }
  if (IsTerminal(job.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", id, " is ", JobStateName(job.state)));
  }
  const JobRecord before = job;
  std::vector<JobEvent> events;
  STRATA_RETURN_IF_ERROR(change(&job, &events));
  // What identifies the job is not for changing.
  job.id = before.id;
  job.last_sequence = before.last_sequence;
  job.fence = std::max(job.fence, before.fence);
  STRATA_RETURN_IF_ERROR(CheckTransition(job, before.state));
  STRATA_RETURN_IF_ERROR(Write(before.state, std::move(events), &job));
  STRATA_RETURN_IF_ERROR(transaction.Commit());
  return job;
}

absl::Status SqliteJobStore::Write(JobState old_state,
                                   std::vector<JobEvent> events,
                                   JobRecord* job) {
  if (job->state != old_state) {
    JobEvent changed;
    changed.type = kEventStateChanged;
    changed.message = absl::StrCat(JobStateName(old_state), " to ",
                                   JobStateName(job->state));
    events.push_back(std::move(changed));
  }
  const int64_t now_ms = clock_->WallMillis();
  for (JobEvent& event : events) {
    event.sequence = ++job->last_sequence;
    event.time_ms = now_ms;
    event.attempt = job->attempt;
    event.state = job->state;
    if (event.payload_json.empty()) event.payload_json = "{}";
    STRATA_RETURN_IF_ERROR(InsertEventRow(job->id, event, db_.get()));
  }
  return UpdateJobRow(*job, db_.get());
}

absl::StatusOr<std::vector<JobRecord>> SqliteJobStore::Orphans(
    absl::string_view owner, int64_t now_ms) const {
  MutexLock lock(&mu_);
  SqliteStatement query = db_->Use(
      "SELECT " STRATA_JOB_COLUMNS
      " FROM jobs WHERE state IN"
      " ('STARTING', 'RUNNING', 'FINALIZING', 'PAUSING', 'CANCELLING')"
      " AND (lease_until_ms < ? OR lease_owner IS NOT ?) ORDER BY seq");
  query.Bind(now_ms).Bind(owner);
  return ReadJobs(&query);
}

absl::StatusOr<std::map<JobState, int64_t>> SqliteJobStore::CountByState()
    const {
  MutexLock lock(&mu_);
  SqliteStatement query =
      db_->Use("SELECT state, count(*) FROM jobs GROUP BY state");
  std::map<JobState, int64_t> counts;
  while (true) {
    STRATA_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return counts;
    if (const auto state = ParseJobState(query.Text(0))) {
      counts[*state] = query.Int(1);
    }
  }
}

absl::StatusOr<std::unique_ptr<JobStore>> OpenSqliteJobStore(
    const std::string& path, const Clock* clock) {
  STRATA_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDb> db, SqliteDb::Open(path));
  auto store = std::make_unique<SqliteJobStore>(std::move(db), clock);
  STRATA_RETURN_IF_ERROR(store->Migrate());
  return std::unique_ptr<JobStore>(std::move(store));
}

}  // namespace strata
