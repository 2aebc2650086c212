// Which levels may carry a memory, and how much of it.

#include "model/segment_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/model/faces/refused_config.h"
#include "tests/model/memory_config.h"

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
    EXPECT_THAT(json, HasSubstr("\"memory\": \"segment\""));
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
              HasSubstr("memory: is \"always\"; must be none or segment"));
}

}  // namespace
}  // namespace strata
