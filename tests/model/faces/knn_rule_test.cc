// Memories of neighbours: what may stand beside them, what they add to a state, and that a
// reach counts on nothing that they might choose.

#include "model/knn_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/availability.h"
#include "model/presets.h"
#include "model/state_layout.h"
#include "tests/model/faces/refused_config.h"
#include "tests/model/knn_config.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::BadConfig;
using testing::ExpectRefused;

// The byte level of `block` with a memory in its only decoder layer.
BadConfig With(std::function<void(LevelConfig*)> edit, const char* message) {
  return {[edit](ModelConfig* config) {
            LevelConfig* const level = &config->levels[0];
            level->knn_layer = 1;
            level->knn_items = 100;
            level->knn_neighbours = 8;
            edit(level);
          },
          message};
}

TEST(ValidateKnn, NamesTheFieldAndTheReason) {
  ExpectRefused(
      "block",
      {With([](LevelConfig* l) { l->knn_layer = 2; },
            "levels[0].knn_layer: is 2; must be in [0, 1]"),
       With([](LevelConfig* l) { l->knn_layer = 0; },
            "levels[0].knn_items: is 100; must be left out or 0"),
       With([](LevelConfig* l) { l->knn_layer = l->knn_items = 0; },
            "levels[0].knn_neighbours: is 8; must be left out or 0"),
       With(
           [](LevelConfig* l) {
             l->knn_layer = l->knn_items = l->knn_neighbours = 0;
             l->knn_gate = KnnGate::kContext;
           },
           "levels[0].knn_gate: must be head where knn_layer is 0"),
       With([](LevelConfig* l) { l->knn_items = 0; },
            "levels[0].knn_items: is 0; must be in [1, 65536]"),
       With([](LevelConfig* l) { l->knn_neighbours = 0; },
            "levels[0].knn_neighbours: is 0; must be in [1, 100]"),
       With([](LevelConfig* l) { l->knn_neighbours = 101; },
            "levels[0].knn_neighbours: is 101; must be in [1, 100]"),
       With([](LevelConfig* l) { l->dec_scope = Scope::kFull; },
            "levels[0].dec_scope: is full; must be window where knn_layer is not 0"),
       With(
           [](LevelConfig* l) {
             l->dec_scope = Scope::kTree;
             l->leaf = 4;
             l->summaries = 1;
           },
           "levels[0].dec_scope: is tree; must be window where knn_layer is not 0"),
       With([](LevelConfig* l) { l->repeats = 2; },
            "levels[0].repeats: is 2; must be 1 where knn_layer is not 0"),
       With([](LevelConfig* l) { l->memory = MemoryKind::kCompressive; },
            "levels[0].memory: is compressive; must be none or segment where"),
       With([](LevelConfig* l) { l->gate = GateKind::kReversible; }, "levels[0].gate: "),
       With([](LevelConfig* l) { l->trained_attention = TrainedAttention::kLsh; },
            "levels[0]."),
       With([](LevelConfig* l) { l->streams.resize(1); }, "levels[0].streams")});
}

// Of `flat`: two layers with a window of 20 in place of what they see.
ModelConfig Windows() {
  ModelConfig config = PresetConfig("flat").value();
  LevelConfig& level = config.levels[0];
  level.dec_scope = Scope::kWindow;
  level.dec_layers = 2;
  level.window = 20;
  config.reach = 38;
  return config;
}

ModelConfig Looking(KnnGate gate) {
  ModelConfig config = Windows();
  config.levels[0] = testing::WithNeighbours(config.levels[0], 2, 100, 8, gate);
  return config;
}

TEST(KnnRule, ALayerLooksAmongWhatHasJustLeftItsWindow) {
  const LevelConfig level = Looking(KnnGate::kHead).levels[0];
  EXPECT_EQ(KnnCandidates(level, 19).count(), 0);
  EXPECT_EQ(KnnCandidates(level, 20).begin, 0);
  EXPECT_EQ(KnnCandidates(level, 20).end, 1);
  EXPECT_EQ(KnnCandidates(level, 500).begin, 381);
  EXPECT_EQ(KnnCandidates(level, 500).end, 481);
  EXPECT_EQ(KeysSeen(KnnSpec(level), 500, 501).recent.begin, 381);
}

TEST(KnnRule, AStateGrowsByTheRingAlone) {
  // Two rings of 32 slots; in one's place one of 128, which 20 + 100 items need.
  const int64_t slot = int64_t{2} * 4 * 128;
  EXPECT_EQ(StateBytes(Windows(), 1000), 2 * 32 * slot);
  EXPECT_EQ(StateBytes(Looking(KnnGate::kHead), 1000), (32 + 128) * slot);
  EXPECT_EQ(StateBytes(Looking(KnnGate::kContext), 64000), (32 + 128) * slot);
  // 51 places.
  EXPECT_EQ(StateBytes(Looking(KnnGate::kHead), 50), (32 + 64) * slot);
}

TEST(KnnRule, AGateIsANumberAHeadOrARowAndOneMore) {
  const int64_t without = ParameterCount(Windows());
  const int heads = Windows().levels[0].heads;
  EXPECT_EQ(ParameterCount(Looking(KnnGate::kHead)) - without, 2 * heads);
  EXPECT_EQ(ParameterCount(Looking(KnnGate::kContext)) - without, heads * (128 + 2));
}

// All that may be seen is looked through for leaks; what must be seen is the windows'.
TEST(KnnRule, AReachCountsOnNothingThatMayBeChosen) {
  ModelConfig config = Looking(KnnGate::kHead);
  EXPECT_EQ(ValidateModelConfig(config), absl::OkStatus());
  const auto seen = Availability(config, 200);
  EXPECT_TRUE(seen[150][150 - 1]);
  EXPECT_TRUE(seen[150][150 - 139]);   // 19 and 20 + 100 items back
  EXPECT_FALSE(seen[150][150 - 140]);
  EXPECT_FALSE(seen[150][150]);
  config.reach = 40;
  const std::string message(ValidateModelConfig(config).message());
  EXPECT_THAT(message, StartsWith("blind spot: byte 0 does not reach"));
  EXPECT_THAT(message, HasSubstr("and no neighbour is chosen"));
  config.reach = -1;
  EXPECT_FALSE(ValidateModelConfig(config).ok());
}

TEST(KnnRule, TheTestedConfigsAreValid) {
  for (const std::string& name : testing::KnnConfigNames()) {
    EXPECT_EQ(ValidateModelConfig(testing::KnnConfig(name)), absl::OkStatus()) << name;
    const auto again = ParseModelConfig(ModelConfigToJson(testing::KnnConfig(name)));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(*again == testing::KnnConfig(name));
  }
}

}  // namespace
}  // namespace strata
