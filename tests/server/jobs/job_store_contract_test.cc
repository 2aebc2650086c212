#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "server/jobs/job_row.h"
#include "tests/server/jobs/all_job_states.h"
#include "tests/server/jobs/job_store_contract.h"

namespace strata {
namespace {

using ::testing::Values;

TEST_P(JobStoreContract, AJobIsReadBackAsItWasWritten) {
  JobRecord job = NewJob("a", "key");
  job.spec.learning_rate = 0.1 + 0.2;  // all its digits
  job.spec.seed = std::numeric_limits<uint64_t>::max();
  ASSERT_TRUE(store->Insert(job, "hash").ok());
  Claim();
  auto changed = store->Update(
      "a", 1, Durability::kFull,
      [](JobRecord* record, std::vector<JobEvent>* events) {
        record->state = JobState::kRunning;
        record->phase = "training";
        record->progress.step = int64_t{1} << 40;
        record->progress.loss = std::nan("");
        record->progress.items_per_second = 1.5;
        record->has_eval = true;
        record->last_eval.bits_per_byte = 2.25;
        record->error = {"CODE", "text with \0 and \"quotes\""};
        record->cancel_requested = true;
        record->not_before_ms = 77;
        return absl::OkStatus();
      });
  ASSERT_TRUE(changed.ok()) << changed.status();
  Reopen();
  const auto read = store->Get("a");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->spec.learning_rate, 0.1 + 0.2);
  EXPECT_EQ(read->spec.seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(read->idempotency_key, "key");
  EXPECT_EQ(read->state, JobState::kRunning);
  EXPECT_EQ(read->phase, "training");
  EXPECT_EQ(read->progress.step, int64_t{1} << 40);
  EXPECT_TRUE(std::isnan(read->progress.loss));
  EXPECT_EQ(read->progress.items_per_second, 1.5);
  ASSERT_TRUE(read->has_eval);
  EXPECT_EQ(read->last_eval.bits_per_byte, 2.25);
  EXPECT_EQ(read->error.code, "CODE");
  EXPECT_EQ(read->error.message, changed->error.message);
  EXPECT_TRUE(read->cancel_requested);
  EXPECT_EQ(read->not_before_ms, 77);
  EXPECT_EQ(read->attempt, 1);
  EXPECT_EQ(read->fence, 1);
}

TEST_P(JobStoreContract, WhatIsNotThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(store->Get("x").status()));
  EXPECT_TRUE(absl::IsNotFound(store->Events("x", 0, 10).status()));
  EXPECT_TRUE(absl::IsNotFound(store->List("x", 10).status()));
  EXPECT_TRUE(absl::IsNotFound(store->Claim("me", 0, 1).status()));
  EXPECT_TRUE(absl::IsNotFound(store->FindByKey("k", "hash").status()));
  EXPECT_TRUE(absl::IsNotFound(
      store->Update("x", -1, Durability::kFull, NoChange).status()));
}

TEST_P(JobStoreContract, ManyThreadsWithOneKeyMakeOneJob) {
  std::vector<std::thread> threads;
  std::vector<std::string> ids(32);
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      const auto job = store->Insert(NewJob(absl::StrCat("job", i), "key"), "h");
      if (job.ok()) ids[i] = job->id;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_FALSE(ids[0].empty());
  EXPECT_EQ(store->List("", 100)->size(), 1u);
  EXPECT_EQ(EventsOf(ids[0]).size(), 1u);
}

TEST_P(JobStoreContract, AKeyBelongsToOneRequest) {
  Insert("first", "key");
  const auto other = store->Insert(NewJob("second", "key"), "other hash");
  EXPECT_TRUE(absl::IsAlreadyExists(other.status()));
  EXPECT_THAT(std::string(other.status().message()),
              ::testing::HasSubstr("first"));
  EXPECT_EQ(store->Insert(NewJob("second", "key"), "hash")->id, "first");
  EXPECT_EQ(store->FindByKey("key", "hash")->id, "first");
  EXPECT_TRUE(absl::IsAlreadyExists(store->FindByKey("key", "x").status()));
  // Without a key every request is a new job.
  Insert("third");
  Insert("fourth");
  EXPECT_EQ(store->List("", 100)->size(), 3u);
}

TEST_P(JobStoreContract, TransitionsAreThoseOfTheTable) {
  // A way from QUEUED to each state.
  const auto way = [](JobState state) -> std::vector<JobState> {
    using S = JobState;
    switch (state) {
      case S::kValidating:
      case S::kQueued: return {};
      case S::kStarting: return {S::kStarting};
      case S::kRunning: return {S::kStarting, S::kRunning};
      case S::kFinalizing: return {S::kStarting, S::kRunning, S::kFinalizing};
      case S::kSucceeded:
        return {S::kStarting, S::kRunning, S::kFinalizing, S::kSucceeded};
      case S::kPausing: return {S::kStarting, S::kRunning, S::kPausing};
      case S::kPaused:
        return {S::kStarting, S::kRunning, S::kPausing, S::kPaused};
      case S::kCancelling: return {S::kStarting, S::kCancelling};
      case S::kCancelled: return {S::kCancelled};
      case S::kFailed: return {S::kStarting, S::kFailed};
    }
    return {};
  };
  int n = 0;
  for (const JobState from : kAllJobStates) {
    for (const JobState to : kAllJobStates) {
      if (from == to) continue;
      const std::string id = absl::StrCat("job", n++);
      JobRecord job = NewJob(id);
      job.state = from == JobState::kValidating ? from : JobState::kQueued;
      ASSERT_TRUE(store->Insert(job, "hash").ok());
      ASSERT_TRUE(Move(id, way(from)).ok());
      const auto before = EventsOf(id).size();
      const auto moved = Move(id, {to});
      const std::string edge =
          absl::StrCat(JobStateName(from), " to ", JobStateName(to));
      if (IsLegalTransition(from, to)) {
        ASSERT_TRUE(moved.ok()) << edge;
        EXPECT_EQ(store->Get(id)->state, to) << edge;
        ASSERT_EQ(EventsOf(id).size(), before + 1) << edge;
        EXPECT_EQ(EventsOf(id).back().type, kEventStateChanged);
      } else {
        EXPECT_TRUE(absl::IsFailedPrecondition(moved.status())) << edge;
        EXPECT_EQ(store->Get(id)->state, from) << edge;
        EXPECT_EQ(EventsOf(id).size(), before) << edge;
      }
      ExpectGapFree(id);
    }
  }
}

TEST_P(JobStoreContract, ATerminalJobNeverChanges) {
  Insert("a");
  ASSERT_TRUE(Move("a", {JobState::kCancelled}).ok());
  const auto changed = store->Update(
      "a", -1, Durability::kRelaxed,
      [](JobRecord* job, std::vector<JobEvent>* events) {
        events->push_back(ErrorEvent(kEventWarning, "LATE", "too late"));
        return absl::OkStatus();
      });
  EXPECT_TRUE(absl::IsFailedPrecondition(changed.status()));
  EXPECT_EQ(EventsOf("a").size(), 2u);
}

TEST_P(JobStoreContract, AnErrorOfTheChangeChangesNothing) {
  Insert("a");
  const auto changed = store->Update(
      "a", -1, Durability::kFull,
      [](JobRecord* job, std::vector<JobEvent>* events) {
        job->state = JobState::kCancelled;
        job->phase = "x";
        events->push_back(ErrorEvent(kEventWarning, "C", "m"));
        return absl::UnimplementedError("no");
      });
  EXPECT_EQ(changed.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(store->Get("a")->state, JobState::kQueued);
  EXPECT_EQ(store->Get("a")->phase, "");
  EXPECT_EQ(EventsOf("a").size(), 1u);
}

TEST_P(JobStoreContract, ListingIsNewestFirstAndPaged) {
  for (int i = 0; i < 10; ++i) Insert(absl::StrCat("job", i));
  std::vector<std::string> seen;
  std::string after;
  while (true) {
    const auto page = store->List(after, 3);
    ASSERT_TRUE(page.ok());
    if (page->empty()) break;
    for (const JobRecord& job : *page) seen.push_back(job.id);
    after = seen.back();
  }
  ASSERT_EQ(seen.size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(seen[i], absl::StrCat("job", 9 - i));
}

TEST_P(JobStoreContract, AnAttemptIsMeasuredFromTheLastCheckpoint) {
  Insert("a");
  Claim();
  ASSERT_TRUE(store
                  ->Update("a", 1, Durability::kFull,
                           [](JobRecord* job, std::vector<JobEvent>* events) {
                             job->checkpoint_step = 10;
                             events->push_back(
                                 CheckpointEvent(10, "step-10", 300));
                             return absl::OkStatus();
                           })
                  .ok());
  ASSERT_TRUE(Move("a", {JobState::kQueued}).ok());
  EXPECT_EQ(Claim().attempt_base_step, 10);
}

TEST_P(JobStoreContract, AWatchCutAtAnySequenceGoesOnWithoutGapOrRepeat) {
  Insert("a");
  Claim();
  for (int i = 1; i <= 30; ++i) {
    TrainProgress progress;
    progress.step = i;
    ASSERT_TRUE(store->Update("a", 1, Durability::kRelaxed,
                              [&](JobRecord*, std::vector<JobEvent>* events) {
                                events->push_back(MetricsEvent(progress));
                                if (i % 3 == 0) {
                                  events->push_back(EvalEvent({}));
                                }
                                return absl::OkStatus();
                              })
                    .ok());
  }
  ExpectGapFree("a");
  const std::vector<JobEvent> whole = EventsOf("a");
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    std::vector<JobEvent> joined(whole.begin(), whole.begin() + cut);
    while (true) {  // in pages of 7
      const auto rest =
          store->Events("a", joined.empty() ? 0 : joined.back().sequence, 7);
      ASSERT_TRUE(rest.ok());
      if (rest->empty()) break;
      joined.insert(joined.end(), rest->begin(), rest->end());
    }
    ASSERT_EQ(joined.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(joined[i].sequence, whole[i].sequence);
      EXPECT_EQ(joined[i].payload_json, whole[i].payload_json);
    }
  }
}

TEST_P(JobStoreContract, EventsOfManyWritersStayGapFree) {
  Insert("a");
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        store->Update("a", -1, Durability::kRelaxed,
                      [](JobRecord*, std::vector<JobEvent>* events) {
                        events->push_back(ErrorEvent(kEventWarning, "C", "m"));
                        return absl::OkStatus();
                      })
            .status()
            .IgnoreError();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(EventsOf("a").size(), 201u);
  ExpectGapFree("a");
}

TEST_P(JobStoreContract, JobsAreCountedByState) {
  Insert("a");
  Insert("b");
  Insert("c");
  Claim();
  const auto counts = store->CountByState();
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts->at(JobState::kQueued), 2);
  EXPECT_EQ(counts->at(JobState::kStarting), 1);
}

absl::StatusOr<std::unique_ptr<JobStore>> OpenSqlite(const std::string& dir,
                                                     const Clock* clock) {
  return OpenSqliteJobStore(dir + "/jobs.sqlite", clock);
}

TEST(SqliteJobStore, AFileOfTheFirstSchemaIsBroughtUpToDate) {
  TempDir dir;
  const std::string path = dir / "jobs.sqlite";
  {
    auto db = SqliteDb::Open(path);
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE((*db)->Exec(kJobSchema).ok());
    ASSERT_TRUE((*db)->Exec("INSERT INTO schema_migrations VALUES (1, 5)").ok());
    JobRecord job;
    job.id = "old";
    ASSERT_TRUE(InsertJobRow(job, "hash", db->get()).ok());
  }
  for (int i = 0; i < 2; ++i) {
    auto store = OpenSqliteJobStore(path);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->Get("old")->lost_servers, i);
    ASSERT_TRUE((*store)
                    ->Update("old", -1, Durability::kFull,
                             [](JobRecord* job, std::vector<JobEvent>*) {
                               ++job->lost_servers;
                               return absl::OkStatus();
                             })
                    .ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Sqlite, JobStoreContract,
                         Values(StoreFactory(OpenSqlite)));

}  // namespace
}  // namespace strata
