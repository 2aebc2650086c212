// What bridges that are more than a matrix need in a config.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "tests/model/faces/refused_config.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using testing::BadConfig;
using testing::ExpectRefused;

TEST(ValidateModelConfig, SaysWhatAPrefixNeeds) {
  const std::vector<BadConfig> cases = {
      {[](ModelConfig* c) { c->levels[0].prefix = 0; },
       "levels[0].prefix: is 0; must be in [1, 16]"},
      {[](ModelConfig* c) { c->levels[0].prefix = 17; }, "levels[0].prefix: is 17"},
      {[](ModelConfig* c) { c->levels[0].bridge = BridgeKind::kLinear; },
       "levels[0].prefix: is 2; must be left out or 0"},
      {[](ModelConfig* c) { c->levels[1].prefix = 2; },
       "levels[1].prefix: is 2; must be left out or 0"},
      {[](ModelConfig* c) { c->levels[1].bridge = BridgeKind::kPrefix; },
       "levels[1].bridge: the top level has no level above"},
      {[](ModelConfig* c) { c->levels[0].dec_scope = Scope::kFull; },
       "levels[0].dec_scope: is full; must be block where bridge is prefix"},
      {[](ModelConfig* c) { c->levels[0].dec_layers = 0; },
       "levels[0].dec_layers: is 0; must be at least 1 where bridge is prefix"},
      {[](ModelConfig* c) {
         c->levels[0].block_rule = BlockRule::kSpacelike;
         c->levels[0].block_min = 2;
         c->levels[0].pool = PoolKind::kLast;
       },
       "levels[0].dec_scope: is block; must not be of blocks"},
  };
  ExpectRefused("block-transformer", cases);
}

TEST(ValidateModelConfig, SaysWhatABridgeThatAttendsNeeds) {
  const auto attend = [](ModelConfig* c, int window) {
    c->levels[0].bridge = BridgeKind::kAttention;
    c->levels[0].bridge_window = window;
  };
  for (const PoolKind pool : {PoolKind::kAttention, PoolKind::kMean, PoolKind::kConcat}) {
    ModelConfig config = PresetConfig("hourglass").value();
    config.levels[0].pool = pool;
    for (const BridgeKind bridge : {BridgeKind::kLinear, BridgeKind::kRepeat}) {
      config.levels[0].bridge = bridge;
      EXPECT_TRUE(ValidateModelConfig(config).ok());
    }
    attend(&config, 2);
    EXPECT_TRUE(ValidateModelConfig(config).ok()) << ValidateModelConfig(config);
    const std::string json = ModelConfigToJson(config);
    EXPECT_TRUE(ParseModelConfig(json).value() == config) << json;
  }
  for (const int window : {-1, 0, 1, 257}) {
    ModelConfig config = PresetConfig("hourglass").value();
    attend(&config, window);
    EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
                HasSubstr(absl::StrCat("levels[0].bridge_window: is ", window,
                                       "; must be in [2, 256]")));
  }
  const std::vector<BadConfig> cases = {
      {[](ModelConfig* c) { c->levels[0].bridge_window = 2; },
       "levels[0].bridge_window: is 2; must be left out or 0"},
      {[](ModelConfig* c) { c->levels[1].bridge = BridgeKind::kAttention; },
       "levels[1].bridge: the top level has no level above"},
      {[](ModelConfig* c) { c->levels[1].bridge_window = 2; },
       "levels[1].bridge_window: is 2; must be left out or 0"},
  };
  ExpectRefused("hourglass", cases);
}

}  // namespace
}  // namespace strata
