#include "tests/server/registry/registry_fixture.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(RegistryTest, ConcurrentLoadsRunTheLoaderOnce) {
  Put("m", 1);
  WriteText("models/m/aliases.json", "{}");
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Resolve("m").status()));
  gate.Close();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(registry->Load("m@1").ok()); });
  }
  gate.WaitForHeld();
  // The lock is free while the loader works.
  EXPECT_TRUE(absl::IsUnavailable(registry->Resolve("m@1").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Unload("m@1")));
  gate.Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(loads, 1);
}

TEST_F(RegistryTest, EveryWaiterLearnsOfAFailedLoad) {
  Put("m", 1, "bad");
  WriteText("models/m/aliases.json", "{}");
  ASSERT_TRUE(registry->LoadAll().ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back(
        [&] { EXPECT_TRUE(absl::IsDataLoss(registry->Load("m@1"))); });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(RegistryTest, AKnownModelIsUnavailableWhileLoadAllWorks) {
  Put("a", 1);
  Put("b", 1);
  gate.Close();
  std::thread thread([&] { EXPECT_TRUE(registry->LoadAll().ok()); });
  gate.WaitForHeld();
  EXPECT_TRUE(absl::IsUnavailable(registry->Resolve("a").status()));
  EXPECT_TRUE(absl::IsUnavailable(registry->Resolve("b").status()));
  EXPECT_TRUE(absl::IsNotFound(registry->Resolve("c").status()));
  gate.Open();
  thread.join();
  EXPECT_EQ(LiveOf("b"), "b@1");
}

TEST_F(RegistryTest, TheListenerHearsOfEveryChangeAndMayLook) {
  std::vector<std::string> heard;
  registry->SetListener([&] {
    const auto live = registry->Resolve("m");
    heard.push_back(live.ok() ? (*live)->name() : "none");
  });
  ASSERT_TRUE(registry->LoadAll().ok());
  heard.clear();
  Publish("m", Result("r1", "one"), "job-1");
  EXPECT_THAT(heard, ElementsAre("m@1"));
  Publish("m", Result("r2", "two"), "job-2");
  EXPECT_THAT(heard, ElementsAre("m@1", "m@2"));
  ASSERT_TRUE(registry->Load("m@1").ok());
  heard.clear();
  EXPECT_TRUE(registry->SetAlias("m", "live", "1").ok());
  EXPECT_THAT(heard, ElementsAre("m@1"));
  EXPECT_TRUE(registry->Load("m@2").ok());
  heard.clear();
  EXPECT_TRUE(registry->Unload("m@2").ok());
  EXPECT_EQ(heard.size(), 1u);
}

TEST_F(RegistryTest, ConcurrentPublishesGiveEachJobOneVersion) {
  ASSERT_TRUE(registry->LoadAll().ok());
  constexpr int kJobs = 6;
  for (int j = 0; j < kJobs; ++j) Result(absl::StrCat("r", j), "good");
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      const auto version = registry->Resolve("m");  // never half there
      if (version.ok()) {
        EXPECT_NE((*version)->weights, nullptr);
      }
      registry->List();
    }
  });
  std::vector<std::thread> threads;
  std::vector<std::string> names(2 * kJobs);
  for (int i = 0; i < 2 * kJobs; ++i) {  // each job asks twice
    threads.emplace_back([&, i] {
      names[i] = registry->Publish("m", temp / absl::StrCat("r", i % kJobs),
                                   absl::StrCat("job-", i % kJobs))
                     .value_or("");
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  reader.join();
  std::set<std::string> different(names.begin(), names.end());
  EXPECT_EQ(different.size(), static_cast<size_t>(kJobs));
  EXPECT_EQ(different.count(""), 0u);
  for (int j = 0; j < kJobs; ++j) EXPECT_EQ(names[j], names[j + kJobs]);
  EXPECT_EQ(registry->Get("m")->versions.size(), static_cast<size_t>(kJobs));
  EXPECT_EQ(LiveOf("m"), absl::StrCat("m@", kJobs));
}

TEST_F(RegistryTest, ChangesFromManyThreadsLeaveAConsistentRegistry) {
  for (int v = 1; v <= 4; ++v) Put("m", v);
  ASSERT_TRUE(registry->LoadAll().ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string version = absl::StrCat(1 + (i + t) % 4);
        registry->SetAlias("m", "live", version).IgnoreError();
        registry->Unload("m@" + absl::StrCat(1 + i % 4)).IgnoreError();
        // Whatever happens, what is live is loaded.
        EXPECT_TRUE(registry->Resolve("m").ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string live = LiveOf("m");
  Restart();
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_EQ(LiveOf("m"), live);
}

}  // namespace
}  // namespace strata
