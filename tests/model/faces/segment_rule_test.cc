// Which levels may carry a memory, and how much of it.

#include "model/segment_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "tests/model/faces/refused_config.h"
#include "tests/model/memory_config.h"
#include "tests/model/naive_scope.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using testing::BadConfig;
using testing::MemoryConfig;

TEST(Memory, IsPartOfAConfigsText) {
  for (const std::string& name : testing::MemoryConfigNames()) {
    const ModelConfig config = MemoryConfig(name);
    EXPECT_EQ(ValidateModelConfig(config), absl::OkStatus());
    EXPECT_TRUE(CarriesMemory(config));
    const std::string json = ModelConfigToJson(config);
    EXPECT_THAT(json, HasSubstr(name == "memory-means" ? "\"memory\": \"compressive\""
                                                       : "\"memory\": \"segment\""));
    EXPECT_TRUE(ParseModelConfig(json).value() == config) << json;
  }
  const ModelConfig without = PresetConfig("block").value();
  EXPECT_FALSE(CarriesMemory(without));
  EXPECT_THAT(ModelConfigToJson(without), Not(HasSubstr("memory")));
}

TEST(Memory, IsAsLongAsTheScopeLooksBack) {
  EXPECT_EQ(CarriedItems({Scope::kWindow, 7}), 6);
  EXPECT_EQ(CarriedItems({.scope = Scope::kDilated, .window = 4, .dilation = 3}), 9);
  EXPECT_EQ(CarriedItems({.scope = Scope::kBlock, .block = 8}), 0);
  EXPECT_EQ(CarriedItems({.scope = Scope::kBidirBlock, .block = 8}), 0);
  EXPECT_EQ(CarriedContexts(MemoryConfig("memory-windows").levels[0]), 2);
  EXPECT_EQ(CarriedContexts(MemoryConfig("memory-blocks").levels[0]), 0);
}

TEST(Memory, IsRefusedWhereItWouldHaveNoEndOrNoPlace) {
  const std::vector<BadConfig> cases = {
      {[](ModelConfig* c) { c->levels[1].memory = MemoryKind::kNone; },
       "levels[1].memory: is none and that of levels[0] segment"},
      {[](ModelConfig* c) { c->levels[0].memory = MemoryKind::kNone; },
       "levels[1].memory: is segment and that of levels[0] none"},
      {[](ModelConfig* c) { c->levels[2].dec_scope = Scope::kFull; },
       "levels[2].dec_scope: is full; must be window, dilated or of blocks"},
      {[](ModelConfig* c) {
         c->levels[1].enc_scope = Scope::kGlobalLocal;
         c->levels[1].global_items = 2;
       },
       "levels[1].enc_scope: is global_local"},
      {[](ModelConfig* c) {
         c->levels[1].dec_scope = Scope::kStrided;
         c->levels[1].stride = 2;
       },
       "levels[1].dec_scope: is strided"},
      {[](ModelConfig* c) {
         c->levels[0].dec_scope = Scope::kTree;
         c->levels[0].leaf = 4;
         c->levels[0].summaries = 1;
       },
       "levels[0].dec_scope: is tree"},
      {[](ModelConfig* c) {
         c->levels[2].dec_scope = Scope::kLinear;
         c->levels[2].position = &kRopePosition;
         c->levels[2].position_span = 0;
       },
       "levels[2].dec_scope: is linear"},
      {[](ModelConfig* c) {
         c->levels[1].position = FindPositionScheme("learned");
         c->levels[1].position_span = 8;
       },
       "levels[1].position: is learned; must be relative where memory"},
  };
  for (const BadConfig& bad : cases) {
    ModelConfig config = MemoryConfig("memory-windows");
    bad.edit(&config);
    EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
                HasSubstr(bad.message));
  }
}

TEST(Memory, WantsWindowsThatHoldARun) {
  const std::vector<BadConfig> cases = {
      {[](ModelConfig* c) { c->levels[0].memory_rate = 1; },
       "levels[0].memory_rate: is 1; must be in [2, 9]"},
      {[](ModelConfig* c) { c->levels[2].memory_rate = 5; },
       "levels[2].memory_rate: is 5; must be in [2, 4]"},
      {[](ModelConfig* c) { c->levels[1].memory_items = 0; },
       "levels[1].memory_items: is 0; must be in [1, 1024]"},
      {[](ModelConfig* c) {
         c->levels[0].memory_rate = 8;
         c->levels[0].memory_items = 300;
       },
       "levels[0].memory_items: is 300; times memory_rate it is 2400 items, of at most "
       "2048"},
      {[](ModelConfig* c) { c->levels[1].memory = MemoryKind::kSegment; },
       "levels[1].memory_rate: is 2; must be 0 where memory is not compressive"},
      {[](ModelConfig* c) {
         c->levels[1].dec_scope = Scope::kDilated;
         c->levels[1].dilation = 2;
       },
       "levels[1].dec_scope: is dilated; must be window or of blocks where memory is "
       "compressive"},
  };
  for (const BadConfig& bad : cases) {
    ModelConfig config = MemoryConfig("memory-means");
    bad.edit(&config);
    EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
                HasSubstr(bad.message));
  }
}

// A query sees what the definition says; a cache still holds it; and a mean is made of
// items that are still there.
TEST(CompressiveScope, ShowsWhatItIsDefinedToShowAndKeepsIt) {
  for (const auto& [window, rate, packed] :
       {std::tuple(4, 4, 1), std::tuple(9, 2, 3), std::tuple(18, 5, 20),
        std::tuple(16, 3, 16), std::tuple(2, 2, 40)}) {
    const ScopeSpec spec = {.scope = Scope::kCompressive, .window = window,
                            .rate = rate, .packed = packed};
    const ScopeRule& rule = RuleOf(spec.scope);
    constexpr int64_t kItems = 150;
    std::vector<int64_t> items(WholeSlots(rule.slots(spec, kItems)), -1);
    std::vector<int64_t> means = items;
    for (int64_t i = 0; i < kItems; ++i) {
      const int64_t first = i - window;
      if (first >= 0 && first % rate == 0) {
        for (int64_t r = 0; r < rate; ++r) {
          ASSERT_EQ(items.at(rule.slot(spec, first + r, 1).slot), first + r);
        }
        const int64_t slot = rule.slot(spec, first + rate - 1, rate).slot;
        ASSERT_EQ(items.at(slot), -1);
        means.at(slot) = first + rate - 1;
      }
      const int64_t own = rule.slot(spec, i, 1).slot;
      ASSERT_EQ(means.at(own), -1);
      items[own] = i;
      ASSERT_LT(std::max(own, int64_t{0}), WholeSlots(rule.slots(spec, i + 1)));
      const VisibleKeys seen = KeysSeen(spec, i, i + 1);
      std::vector<int64_t> recent, kept, expected_recent, expected_kept;
      std::vector<SlotRun> runs;
      AddSlotRuns(spec, seen.kept, &runs);
      for (const SlotRun& run : runs) {
        for (int64_t n = 0; n < run.count; ++n) {
          kept.push_back(run.item + n * run.step);
          ASSERT_EQ(means.at(run.slot + n), kept.back()) << i;
        }
      }
      runs.clear();
      AddSlotRuns(spec, seen.recent, &runs);
      for (const SlotRun& run : runs) {
        for (int64_t n = 0; n < run.count; ++n) {
          recent.push_back(run.item + n);
          ASSERT_EQ(items.at(run.slot + n), recent.back()) << i;
        }
      }
      for (int64_t j = 0; j <= i; ++j) {
        if (testing::NaiveSees(spec, i, j)) expected_recent.push_back(j);
        if (testing::NaiveSeesMean(spec, i, j)) expected_kept.push_back(j);
      }
      ASSERT_EQ(recent, expected_recent) << i;
      ASSERT_EQ(kept, expected_kept) << i;
      const KeyRun all = ItemsOfKept(spec, seen.kept);
      if (all.count() > 0) {
        ASSERT_EQ(all.end, seen.recent.begin);
      }
    }
  }
}

TEST(Memory, WantsBlocksOfOneLength) {
  ModelConfig config = PresetConfig("spacebyte").value();
  for (LevelConfig& level : config.levels) {
    level.memory = MemoryKind::kSegment;
    level.enc_scope = level.dec_scope = Scope::kWindow;
    level.window = 8;
  }
  EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
              HasSubstr("levels[0].block_rule: must be fixed where memory"));
}

TEST(Memory, HasANameThatIsKnown) {
  std::string json = ModelConfigToJson(MemoryConfig("memory-blocks"));
  json.replace(json.find("\"segment\""), 9, "\"always\"");
  EXPECT_THAT(std::string(ParseModelConfig(json).status().message()),
              HasSubstr("memory: is \"always\"; must be none, segment or compressive"));
}

}  // namespace
}  // namespace strata
