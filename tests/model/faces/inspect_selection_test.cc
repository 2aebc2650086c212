#include "model/inspect_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/presets.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// An encoder of two layers and a decoder of one over four heads; above it three
// layers and two heads.
ModelConfig Config() {
  ModelConfig config = *PresetConfig("block");
  config.levels[0].enc_layers = 2;
  config.levels[0].dec_layers = 1;
  config.levels[0].heads = 4;
  config.levels[1].dec_layers = 3;
  config.levels[1].heads = 2;
  return config;
}

std::string Refusal(const InspectOptions& options, int64_t bytes = 100) {
  const absl::Status status =
      SelectForInspection(Config(), options, bytes).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(InspectSelectionTest, DefaultIsTheLastLayerOfEachStackAndAllHeads) {
  const auto selection = SelectForInspection(Config(), {}, 100).value();
  ASSERT_EQ(selection.size(), 2u);
  EXPECT_THAT(selection[0].encoder_layers, ElementsAre(1));
  EXPECT_THAT(selection[0].decoder_layers, ElementsAre(0));
  EXPECT_THAT(selection[0].heads, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(selection[1].encoder_layers, IsEmpty());
  EXPECT_THAT(selection[1].decoder_layers, ElementsAre(2));
  EXPECT_THAT(selection[1].heads, ElementsAre(0, 1));
}

TEST(InspectSelectionTest, WhatAStackLacksIsLeftOut) {
  InspectOptions options;
  options.levels = {1, 0, 1};
  options.layers = {2, -2, 2};
  options.heads = {3, 1};
  const auto selection = SelectForInspection(Config(), options, 100).value();
  ASSERT_EQ(selection.size(), 2u);
  EXPECT_EQ(selection[0].level, 0);
  EXPECT_THAT(selection[0].encoder_layers, ElementsAre(0));
  EXPECT_THAT(selection[0].decoder_layers, IsEmpty());
  EXPECT_THAT(selection[0].heads, ElementsAre(1, 3));
  EXPECT_THAT(selection[1].decoder_layers, ElementsAre(1, 2));
  EXPECT_THAT(selection[1].heads, ElementsAre(1));
}

TEST(InspectSelectionTest, LayersAreCountedAsTheyRun) {
  ModelConfig config = Config();
  config.levels[0].repeats = 2;
  config.levels[1].repeats = 3;
  const auto last = SelectForInspection(config, {}, 100).value();
  EXPECT_THAT(last[0].encoder_layers, ElementsAre(3));
  EXPECT_THAT(last[0].decoder_layers, ElementsAre(1));
  EXPECT_THAT(last[1].decoder_layers, ElementsAre(8));
  InspectOptions options;
  options.layers = {9};
  EXPECT_EQ(SelectForInspection(config, options, 100).status().message(),
            "layers[0] is 9; must be in [-9, 8]");
}

TEST(InspectSelectionTest, WhatNoneHasIsRefusedByName) {
  InspectOptions options;
  options.levels = {0, 2};
  EXPECT_EQ(Refusal(options), "levels[1] is 2; must be in [0, 1]");
  options.levels = {0};
  options.layers = {2};
  EXPECT_EQ(Refusal(options), "layers[0] is 2; must be in [-2, 1]");
  options.layers = {};
  options.heads = {-1};
  EXPECT_EQ(Refusal(options), "heads[0] is -1; must be in [0, 3]");
  options.heads = {};
  for (const int top_k : {0, 65}) {
    options.top_k = top_k;
    EXPECT_THAT(Refusal(options), StartsWith("top_k is"));
  }
  options.top_k = 1;
  options.heads.assign(kMaxInspectChoices + 1, 0);
  EXPECT_THAT(Refusal(options), HasSubstr("heads has 1025 entries"));
}

TEST(InspectSelectionTest, ABridgeThatAttendsCountsAsALayer) {
  ModelConfig config = Config();
  InspectOptions options;
  options.levels = {0};
  options.top_k = 64;
  // The most items with so many layers of four heads: a decoder has two positions more.
  const auto most = [](int64_t layers) { return kMaxInspectLinks / (layers * 4 * 64) - 2; };
  EXPECT_TRUE(SelectForInspection(config, options, most(2)).ok());
  EXPECT_FALSE(SelectForInspection(config, options, most(2) + 1).ok());
  config.levels[0].bridge = BridgeKind::kAttention;
  config.levels[0].bridge_window = 2;
  EXPECT_TRUE(SelectForInspection(config, options, most(3)).ok());
  EXPECT_FALSE(SelectForInspection(config, options, most(3) + 1).ok());
}

TEST(InspectSelectionTest, StreamsHaveHeadsOfTheirOwnAndCountTheirItems) {
  ModelConfig config = *PresetConfig("multirate");
  LevelConfig& level = config.levels[0];
  level.heads = 2;
  level.streams = {{8, 8, 16, 4, 0}, {4, 4, 16, 1, 6}};
  EXPECT_THAT(SelectForInspection(config, {}, 100).value()[0].stream_heads,
              ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(0)));
  InspectOptions options;
  options.heads = {1, 3};
  options.top_k = 64;
  EXPECT_THAT(SelectForInspection(config, options, 100).value()[0].stream_heads,
              ElementsAre(ElementsAre(1, 3), IsEmpty()));
  // Of 8 positions of the decoder's one head, two items of the first stream's two.
  constexpr int64_t kMost = kMaxInspectLinks / 64 * 8 / 10 - 8;
  EXPECT_TRUE(SelectForInspection(config, options, kMost).ok());
  EXPECT_FALSE(SelectForInspection(config, options, kMost + 16).ok());
}

TEST(InspectSelectionTest, TheAnswerIsBounded) {
  InspectOptions options;
  options.top_k = 64;
  EXPECT_TRUE(SelectForInspection(Config(), options, 1000).ok());
  EXPECT_THAT(Refusal(options, 4096), HasSubstr("links; at most 1048576"));
  // What a server allows by itself, every preset can answer by default.
  for (const std::string& name : PresetNames()) {
    EXPECT_TRUE(SelectForInspection(*PresetConfig(name), {}, 4096).ok()) << name;
  }
}

}  // namespace
}  // namespace strata
