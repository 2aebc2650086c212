// The part of the contract that keeps two owners apart: claims, leases, fences.

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "tests/server/jobs/job_store_contract.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(JobStoreContract, ClaimsTakeTheOldestThatIsDue) {
  Insert("a");
  Insert("b");
  Insert("c");
  const int64_t now = clock.WallMillis();
  ASSERT_TRUE(store->Update("a", -1, Durability::kFull,
                            [&](JobRecord* job, std::vector<JobEvent>*) {
                              job->not_before_ms = now + 10'000;
                              return absl::OkStatus();
                            })
                  .ok());
  EXPECT_EQ(store->Claim("me", now, 1000)->id, "b");
  EXPECT_EQ(store->Claim("me", now, 1000)->id, "c");
  EXPECT_TRUE(absl::IsNotFound(store->Claim("me", now, 1000).status()));
  const auto late = store->Claim("me", now + 10'000, 1000);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late->id, "a");
  EXPECT_EQ(late->state, JobState::kStarting);
  EXPECT_EQ(late->attempt, 1);
  EXPECT_EQ(late->fence, 1);
  ExpectGapFree("a");
}

TEST_P(JobStoreContract, AClockThatJumpedBackHoldsNoJob) {
  Insert("a");
  const int64_t now = clock.WallMillis();
  const int64_t hour = 3'600'000;
  ASSERT_TRUE(store->Update("a", -1, Durability::kFull,
                            [&](JobRecord* job, std::vector<JobEvent>*) {
                              job->not_before_ms = now + hour;
                              return absl::OkStatus();
                            })
                  .ok());
  EXPECT_TRUE(store->Claim("me", now, 1000).ok());
}

TEST_P(JobStoreContract, ManyThreadsClaimEachJobOnce) {
  for (int i = 0; i < 40; ++i) Insert(absl::StrCat("job", i));
  std::vector<std::thread> threads;
  std::atomic<int> claimed{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      while (store->Claim("me", clock.WallMillis(), 1000).ok()) ++claimed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claimed, 40);
  const auto jobs = store->List("", 100);
  for (const JobRecord& job : *jobs) EXPECT_EQ(job.fence, 1) << job.id;
}

TEST_P(JobStoreContract, AFencedZombieIsRefused) {
  Insert("a");
  const JobRecord first = Claim();
  ASSERT_TRUE(Move("a", {JobState::kQueued}).ok());
  const JobRecord second = Claim();
  EXPECT_GT(second.fence, first.fence);
  EXPECT_EQ(second.attempt, 2);
  const auto events = EventsOf("a").size();
  // Whatever the zombie tries.
  EXPECT_TRUE(absl::IsAborted(
      store->Update("a", first.fence, Durability::kRelaxed, NoChange).status()));
  EXPECT_TRUE(
      absl::IsAborted(Move("a", {JobState::kRunning}, first.fence).status()));
  EXPECT_TRUE(absl::IsAborted(store->RenewLease("a", first.fence, 99'999'999)));
  EXPECT_EQ(store->Get("a")->state, JobState::kStarting);
  EXPECT_EQ(EventsOf("a").size(), events);
  EXPECT_TRUE(store->RenewLease("a", second.fence, 99'999'999).ok());
  EXPECT_TRUE(Move("a", {JobState::kRunning}, second.fence).ok());
}

TEST_P(JobStoreContract, AChangeMayRaiseTheFenceButNeverLowerIt) {
  Insert("a");
  const JobRecord claimed = Claim();
  const auto set = [&](int64_t fence) {
    return store->Update("a", -1, Durability::kFull,
                         [&](JobRecord* job, std::vector<JobEvent>*) {
                           job->fence = fence;
                           return absl::OkStatus();
                         });
  };
  EXPECT_EQ(set(claimed.fence + 1)->fence, claimed.fence + 1);
  EXPECT_EQ(set(0)->fence, claimed.fence + 1);
  EXPECT_TRUE(absl::IsAborted(store->RenewLease("a", claimed.fence, 1)));
}

TEST_P(JobStoreContract, OrphansAreThoseWithoutALivingLease) {
  Insert("a");
  Insert("b");
  Insert("queued");
  const int64_t now = clock.WallMillis();
  ASSERT_TRUE(store->Claim("old", now, 1000).ok());
  ASSERT_TRUE(store->Claim("me", now, 1000).ok());
  const auto ids = [&](const std::string& owner, int64_t at) {
    std::vector<std::string> out;
    const auto orphans = store->Orphans(owner, at);
    for (const JobRecord& job : *orphans) out.push_back(job.id);
    return out;
  };
  EXPECT_THAT(ids("me", now), ElementsAre("a"));
  EXPECT_THAT(ids("me", now + 1001), ElementsAre("a", "b"));
  ASSERT_TRUE(store->RenewLease("b", 1, now + 5000).ok());
  EXPECT_THAT(ids("me", now + 1001), ElementsAre("a"));
  // A job without an attempt has no lease to lose or renew.
  ASSERT_TRUE(Move("a", {JobState::kQueued}).ok());
  EXPECT_THAT(ids("me", now + 1001), IsEmpty());
  EXPECT_TRUE(absl::IsAborted(store->RenewLease("a", 1, now + 5000)));
}

}  // namespace
}  // namespace strata
