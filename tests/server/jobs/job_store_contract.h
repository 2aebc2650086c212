#pragma once
// The contract suite of JobStore: every implementation passes it. Instantiate
// with a factory that opens one store again and again:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, JobStoreContract, Values(OpenSqlite));

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/jobs/event_payload.h"
#include "server/jobs/job_store.h"
#include "tests/testing/manual_clock.h"
#include "tests/testing/temp_dir.h"

namespace strata {

// Opens the store that lives in a folder.
using StoreFactory = std::function<absl::StatusOr<std::unique_ptr<JobStore>>(
    const std::string& dir, const Clock* clock)>;

class JobStoreContract : public ::testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    store.reset();
    auto opened = GetParam()(dir.path(), &clock);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  }

  static JobRecord NewJob(const std::string& id, const std::string& key = "") {
    JobRecord job;
    job.id = id;
    job.idempotency_key = key;
    job.spec.base = "block";
    job.spec.dataset_sha256 = std::string(64, 'a');
    job.spec.model = "tiny";
    job.spec.steps = 10;
    job.created_ms = 1000;
    return job;
  }

  JobRecord Insert(const std::string& id, const std::string& key = "") {
    auto job = store->Insert(NewJob(id, key), "hash");
    EXPECT_TRUE(job.ok()) << job.status();
    return job.value_or(JobRecord());
  }

  JobRecord Claim(const std::string& owner = "me") {
    auto job = store->Claim(owner, clock.WallMillis(), 30'000);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.value_or(JobRecord());
  }

  // Moves a job through states; each must be legal.
  absl::StatusOr<JobRecord> Move(const std::string& id,
                                 std::vector<JobState> states,
                                 int64_t fence = -1) {
    absl::StatusOr<JobRecord> job = store->Get(id);
    for (const JobState state : states) {
      job = store->Update(id, fence, Durability::kFull,
                          [&](JobRecord* record, std::vector<JobEvent>*) {
                            record->state = state;
                            return absl::OkStatus();
                          });
      if (!job.ok()) return job;
    }
    return job;
  }

  std::vector<JobEvent> EventsOf(const std::string& id, int64_t after = 0) {
    auto events = store->Events(id, after, 1'000'000);
    EXPECT_TRUE(events.ok()) << events.status();
    return events.value_or(std::vector<JobEvent>());
  }

  void ExpectGapFree(const std::string& id) {
    const std::vector<JobEvent> events = EventsOf(id);
    for (size_t i = 0; i < events.size(); ++i) {
      ASSERT_EQ(events[i].sequence, static_cast<int64_t>(i) + 1);
    }
    const auto job = store->Get(id);
    ASSERT_TRUE(job.ok());
    EXPECT_EQ(job->last_sequence, static_cast<int64_t>(events.size()));
    EXPECT_EQ(job->state, events.back().state);
  }

  TempDir dir;
  ManualClock clock;
  std::unique_ptr<JobStore> store;
};

// An update that leaves the record as it is.
inline absl::Status NoChange(JobRecord*, std::vector<JobEvent>*) {
  return absl::OkStatus();
}

}  // namespace strata
