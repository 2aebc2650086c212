// Which weights are in memory for Inspect, and that they are never too many.

#include "server/registry/inspector_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/server/registry/registry_fixture.h"
#include "tests/testing/toy_inspector.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class InspectorCacheTest : public RegistryTest {
 protected:
  InspectorCacheTest() {
    for (const char* name : {"a", "b", "c"}) Put(name, 1);
    EXPECT_TRUE(registry->LoadAll().ok());
  }

  std::shared_ptr<const ServedVersion> Version(const std::string& name) {
    return registry->Resolve(name).value();
  }
  int64_t One() { return InspectorBytes(Version("a")->weights->config()); }

  InspectorLoader Loader() {
    return [this](const std::string& dir)
               -> absl::StatusOr<std::shared_ptr<const Inspector>> {
      opened.push_back(fs::path(dir).parent_path().filename().string());
      if (fails) return absl::DataLossError("no");
      ++alive;
      most = std::max<int>(most, alive);
      return std::shared_ptr<const Inspector>(
          new ToyInspector(Version("a")->weights->config()),
          [this](const Inspector* inspector) {
            --alive;
            delete inspector;
          });
    };
  }

  static absl::Status Nothing(const Inspector&) { return absl::OkStatus(); }

  std::vector<std::string> opened;
  std::atomic<bool> fails{false};
  std::atomic<int> alive{0};
  int most = 0;
};

TEST_F(InspectorCacheTest, KeepsWhatFitsAndGivesUpTheLeastUsed) {
  InspectorCache cache(registry.get(), Loader(), 2 * One());
  for (const char* name : {"a", "b", "a", "c", "a", "b"}) {
    EXPECT_TRUE(cache.Use(Version(name), Nothing).ok());
    EXPECT_LE(cache.bytes(), 2 * One());
  }
  EXPECT_EQ(opened, (std::vector<std::string>{"a", "b", "c", "b"}));
  EXPECT_EQ(most, 2);  // what went was gone before what came
  EXPECT_EQ(cache.bytes(), 2 * One());
}

TEST_F(InspectorCacheTest, WhatCanNeverFitIsRefusedWithTheBound) {
  InspectorCache cache(registry.get(), Loader(), One() - 1);
  const absl::Status status = cache.Use(Version("a"), Nothing);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("--inspect-memory"));
  EXPECT_EQ(status, cache.CheckFits(*Version("a")));
  EXPECT_TRUE(opened.empty());
}

TEST_F(InspectorCacheTest, AFailedOpeningLeavesNothing) {
  InspectorCache cache(registry.get(), Loader(), One());
  fails = true;
  EXPECT_TRUE(absl::IsDataLoss(cache.Use(Version("a"), Nothing)));
  EXPECT_EQ(cache.bytes(), 0);
  fails = false;
  EXPECT_TRUE(cache.Use(Version("a"), Nothing).ok());
  EXPECT_EQ(cache.bytes(), One());
}

TEST_F(InspectorCacheTest, TheErrorOfAUseIsThatOfTheCall) {
  InspectorCache cache(registry.get(), Loader(), One());
  EXPECT_TRUE(absl::IsCancelled(cache.Use(
      Version("a"), [](const Inspector&) { return absl::CancelledError(""); })));
}

TEST_F(InspectorCacheTest, WhatNobodyServesGoesWithTheNextCall) {
  InspectorCache cache(registry.get(), Loader(), 3 * One());
  Put("a", 2);
  ASSERT_TRUE(registry->Load("a@2").ok());
  EXPECT_TRUE(cache.Use(Version("a@2"), Nothing).ok());
  EXPECT_TRUE(cache.Use(Version("b"), Nothing).ok());
  EXPECT_EQ(alive, 2);
  ASSERT_TRUE(registry->Unload("a@2").ok());
  EXPECT_TRUE(cache.Use(Version("b"), Nothing).ok());
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(cache.bytes(), One());
  // Loaded anew it is another version, though of the same name.
  ASSERT_TRUE(registry->Load("a@2").ok());
  EXPECT_TRUE(cache.Use(Version("a@2"), Nothing).ok());
  EXPECT_EQ(opened, (std::vector<std::string>{"a", "b", "a"}));
}

TEST_F(InspectorCacheTest, CallsOfManyThreadsStayWithinTheBound) {
  InspectorCache cache(registry.get(), Loader(), One());
  std::atomic<int> within{0};
  std::vector<std::thread> threads;
  for (const char* name : {"a", "b", "c", "a"}) {
    threads.emplace_back([&, name] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(cache.Use(Version(name), [&](const Inspector&) {
                           EXPECT_EQ(++within, 1);
                           EXPECT_EQ(alive, 1);
                           --within;
                           return absl::OkStatus();
                         }).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
}

}  // namespace
}  // namespace strata
