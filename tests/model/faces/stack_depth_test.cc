// Keys by which items pass fewer layers than there are, and what the shallowest item must
// see.

#include "model/stack_depth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/availability.h"
#include "model/presets.h"
#include "tests/model/faces/refused_config.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::BadConfig;
using testing::ExpectRefused;

TEST(CheckDepth, NamesTheField) {
  const std::vector<BadConfig> cases = {
      {[](ModelConfig* c) { c->levels[0].ponder = 0.1; },
       "levels[0].ponder: is 0.1; must be 0 where repeats is 1"},
      {[](ModelConfig* c) { c->levels[1].ponder = -0.1; },
       "levels[1].ponder: is -0.1; must be in [0, 1]"},
      {[](ModelConfig* c) { c->levels[1].ponder = std::nan(""); },
       "levels[1].ponder: is nan; must be in [0, 1]"},
      {[](ModelConfig* c) { c->levels[0].exits = 1; },
       "levels[0].exits: is 1; must be 0 where dec_layers is 1"},
      {[](ModelConfig* c) { c->levels[1].exits = 1; },
       "levels[1].exits: is 1; must be 0 above the byte level"},
      {[](ModelConfig* c) {
         c->levels[0].exits = 1;
         c->levels[0].repeats = 2;
       },
       "levels[0].exits: is 1; must be 0 where repeats is not 1"},
      {[](ModelConfig* c) { c->levels[0].exit_tolerance = 0; },
       "levels[0].exit_tolerance: is 0; must be in (0, 1]"},
      {[](ModelConfig* c) {
         c->levels[0].exits = 0;
         c->levels[0].exit_tolerance = 0.02;
       },
       "levels[0].exit_tolerance: is 0.02; must be 0.01 or left out where exits is 0: "
       "nobody leaves"},
  };
  ExpectRefused("block", cases);
}

TEST(CheckDepth, TwoStreamsGoWithNothingThatNeedsTheStateOfOne) {
  const auto reversible = [](ModelConfig* c) -> LevelConfig& {
    c->levels[1].gate = GateKind::kReversible;
    return c->levels[1];
  };
  ModelConfig config = PresetConfig("block").value();
  reversible(&config).repeats = 2;
  EXPECT_EQ(ValidateModelConfig(config), absl::OkStatus());
  EXPECT_EQ(ParseModelConfig(ModelConfigToJson(config)).value(), config);
  const std::vector<BadConfig> cases = {
      {[&](ModelConfig* c) {
         reversible(c).repeats = 2;
         c->levels[1].ponder = 0.1;
       },
       "levels[1].gate: is reversible; must be another where ponder is not 0"},
      {[](ModelConfig* c) {
         c->levels[0].gate = GateKind::kReversible;
         c->levels[0].dec_layers = 2;
         c->levels[0].exits = 1;
       },
       "levels[0].gate: is reversible; must be another where exits is not 0"},
      {[&](ModelConfig* c) { reversible(c).memory = MemoryKind::kSegment; },
       "levels[1].gate: is reversible; must be another where memory is not none"},
      {[&](ModelConfig* c) { reversible(c).knn_layer = 1; },
       "levels[1].gate: is reversible; must be another where knn_layer is not 0"},
      {[&](ModelConfig* c) { reversible(c).streams.resize(1); },
       "levels[1].gate: is reversible; must be another where there are streams"},
  };
  ExpectRefused("block", cases);
}

// Layers of a window of 16 alone.
ModelConfig Windows(int layers) {
  ModelConfig config = PresetConfig("flat").value();
  config.levels[0].dec_scope = Scope::kWindow;
  config.levels[0].dec_layers = layers;
  config.levels[0].window = 16;
  return config;
}

// Two repeats see 31 bytes; an item that halts after one, 16.
TEST(CheckDepth, ItemsThatHaltEarlyMustSeeTheDeclaredReach) {
  ModelConfig config = Windows(1);
  config.levels[0].repeats = 2;
  config.reach = 31;
  EXPECT_TRUE(CheckAvailability(config).ok()) << CheckAvailability(config);
  config.levels[0].ponder = 0.1;
  const std::string message(CheckAvailability(config).message());
  EXPECT_THAT(message, StartsWith("blind spot"));
  EXPECT_THAT(message, HasSubstr("where items stop as early as they may"));
  config.reach = 16;
  EXPECT_TRUE(CheckAvailability(config).ok()) << CheckAvailability(config);
}

TEST(CheckDepth, ItemsThatLeaveEarlyMustSeeTheDeclaredReach) {
  ModelConfig config = Windows(3);
  config.levels[0].exits = 2;
  config.reach = 31;
  EXPECT_TRUE(CheckAvailability(config).ok()) << CheckAvailability(config);
  config.levels[0].exits = 1;
  EXPECT_THAT(std::string(CheckAvailability(config).message()), StartsWith("blind spot"));
}

TEST(Shallowest, IsTheModelItselfWhereNobodyStops) {
  const ModelConfig config = PresetConfig("block").value();
  EXPECT_TRUE(Shallowest(config) == config);
}

}  // namespace
}  // namespace strata
