#pragma once
// The JobStore in one SQLite file. One connection behind one mutex: commits of
// relaxed transactions take microseconds, durable ones wait for the disk.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/jobs/job_store.h"
#include "server/jobs/sqlite_db.h"

namespace strata {

class SqliteJobStore final : public JobStore {
 public:
  SqliteJobStore(std::unique_ptr<SqliteDb> db, const Clock* clock);
  // Brings the schema of the file to this program's version.
  absl::Status Migrate();

  absl::StatusOr<JobRecord> Insert(const JobRecord& job,
                                   absl::string_view spec_hash) override;
  absl::StatusOr<JobRecord> FindByKey(absl::string_view key,
                                      absl::string_view spec_hash) const override;
  absl::StatusOr<JobRecord> Get(absl::string_view id) const override;
  absl::StatusOr<std::vector<JobRecord>> List(absl::string_view after_id,
                                              int limit) const override;
  absl::StatusOr<std::vector<JobEvent>> Events(absl::string_view id,
                                               int64_t after,
                                               int limit) const override;
  absl::StatusOr<JobRecord> Claim(absl::string_view owner, int64_t now_ms,
                                  int64_t lease_ms) override;
  absl::Status RenewLease(absl::string_view id, int64_t fence,
                          int64_t until_ms) override;
  absl::StatusOr<JobRecord> Update(absl::string_view id, int64_t fence,
                                   Durability durability,
                                   const Change& change) override;
  absl::StatusOr<std::vector<JobRecord>> Orphans(absl::string_view owner,
                                                 int64_t now_ms) const override;
  absl::StatusOr<std::map<JobState, int64_t>> CountByState() const override;

 private:
  absl::StatusOr<JobRecord> GetLocked(absl::string_view id) const
      STRATA_REQUIRES(mu_);
  absl::StatusOr<JobRecord> FindByKeyLocked(absl::string_view key,
                                            absl::string_view spec_hash) const
      STRATA_REQUIRES(mu_);
  absl::StatusOr<std::string> Eligible(int64_t now_ms) const
      STRATA_REQUIRES(mu_);
  // Numbers and writes the events, then the row.
  absl::Status Write(JobState old_state, std::vector<JobEvent> events,
                     JobRecord* job) STRATA_REQUIRES(mu_);

  mutable Mutex mu_;
  const std::unique_ptr<SqliteDb> db_;
  const Clock* const clock_;
};

}  // namespace strata
