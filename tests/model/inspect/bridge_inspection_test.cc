// What a level's items are told to have taken from the contexts of the level above: a
// bridge that attends, over units of every kind.

#include <gtest/gtest.h>

#include <algorithm>

#include "model/inspect/inspection_pass.h"
#include "model/presets.h"
#include "model/unit_rule.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/inspect/fixture.h"

namespace strata::testing {
namespace {

constexpr int kContexts = 3;  // that an item sees

// `preset` with a bridge that attends, and an encoder to ask with.
ModelConfig Bridged(const std::string& preset) {
  ModelConfig config = PresetConfig(preset).value();
  LevelConfig& level = config.levels[0];
  level.bridge = BridgeKind::kAttention;
  level.bridge_window = kContexts;
  level.enc_layers = std::max(level.enc_layers, 1);
  return config;
}

HierarchicalTransformer BridgedModel(const ModelConfig& config) {
  HierarchicalTransformer model = Model(config);
  torch::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(8);
  for (auto& parameter : model->level(0).bridge_attention()->named_parameters()) {
    if (parameter.key() == "bias") parameter.value().normal_(0.0, 1.0, generator);
  }
  return model;
}

class BridgeInspectionTest : public ::testing::TestWithParam<const char*> {
 protected:
  InspectedPass Pass() { return InspectPass(model_, fed_, Everything(config_), kTopK); }

  static const InspectedStack& BridgeOf(const InspectedPass& pass) {
    for (const InspectedStack& stack : pass.inspection.levels[0].stacks) {
      if (stack.kind == InspectedStack::Kind::kBridge) return stack;
    }
    ADD_FAILURE() << "no bridge";
    return pass.inspection.levels[0].stacks[0];
  }

  const ModelConfig config_ = Bridged(GetParam());
  HierarchicalTransformer model_ = BridgedModel(config_);
  const std::vector<int64_t> fed_ = Fed();
};

// An item sees the contexts of what was complete before its unit began, the newest ones,
// and what they weigh is all that it gave.
TEST_P(BridgeInspectionTest, WeightsAreOfTheNewestContextsThatWereThere) {
  const InspectedPass pass = Pass();
  const InspectedStack& bridge = BridgeOf(pass);
  const auto& units = pass.inspection.levels[0].units;
  EXPECT_GT(std::ssize(units), kContexts);
  EXPECT_EQ(bridge.layers, 1);
  EXPECT_EQ(bridge.positions, std::ssize(fed_) + 1);
  ASSERT_EQ(bridge.keys.size(), static_cast<size_t>(bridge.positions) + units.size() + 1);
  ASSERT_EQ(std::ssize(bridge.maps), config_.levels[0].heads);
  for (const AttentionMap& map : bridge.maps) {
    ASSERT_EQ(std::ssize(map.rows), bridge.positions);
    int64_t newest = 0;  // context
    for (int64_t i = 0; i < bridge.positions; ++i) {
      // Position i has read items up to i - 1: of so many, units are complete.
      if (newest < std::ssize(units) && units[newest].end_item <= i) ++newest;
      const AttentionRow& row = map.rows[i];
      EXPECT_EQ(std::ssize(row.links), std::min<int64_t>(kContexts, newest + 1));
      double sum = row.rest;
      for (const AttentionLink& link : row.links) {
        sum += link.weight;
        EXPECT_LE(link.key - bridge.positions, newest);
        EXPECT_GT(link.key - bridge.positions, newest - kContexts);
        const AttendedKey& key = bridge.keys[link.key];
        EXPECT_EQ(key.kind, AttendedKey::Kind::kContext);
        EXPECT_EQ(key.bytes.begin, 0);
        EXPECT_LE(key.bytes.end, bridge.keys[i].bytes.end);
      }
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  }
}

TEST_P(BridgeInspectionTest, ContextsStandForAllBeforeTheirUnit) {
  const InspectedPass pass = Pass();
  const InspectedStack& bridge = BridgeOf(pass);
  const auto& above = pass.inspection.levels[1].items;
  EXPECT_EQ(bridge.keys[bridge.positions].bytes.end, 0);
  for (size_t j = 0; j < above.size(); ++j) {
    EXPECT_EQ(bridge.keys[bridge.positions + j + 1].bytes.end, above[j].end);
  }
}

TEST_P(BridgeInspectionTest, ThePassIsTheOrdinaryOne) {
  torch::NoGradGuard no_grad;
  const auto ordinary = model_->forward(Items(fed_));
  EXPECT_LE(Largest(Pass().logits - ordinary), 1e-12);
  EXPECT_TRUE(torch::equal(model_->forward(Items(fed_)), ordinary));
}

// Whatever layers were asked for, and of the heads that were.
TEST_P(BridgeInspectionTest, ItIsThereWithItsLevel) {
  InspectOptions options;
  options.levels = {0};
  options.heads = {1};
  options.layers = {-std::max(EncoderRuns(config_.levels[0]), DecoderRuns(config_.levels[0]))};
  const InspectedPass all = Pass();
  const auto one = InspectPass(
      model_, fed_, SelectForInspection(config_, options, kBytes).value(), kTopK);
  ASSERT_EQ(BridgeOf(one).maps.size(), 1u);
  ExpectEqualMaps(BridgeOf(one).maps[0], BridgeOf(all).maps[1]);
  options.levels = {1};
  options.layers = {-1};
  const auto above = InspectPass(
      model_, fed_, SelectForInspection(config_, options, kBytes).value(), kTopK);
  for (const InspectedStack& stack : above.inspection.levels[0].stacks) {
    EXPECT_NE(stack.kind, InspectedStack::Kind::kBridge);
  }
}

INSTANTIATE_TEST_SUITE_P(Units, BridgeInspectionTest,
                         ::testing::Values("block", "spacebyte", "dynamic"));

// Each context as the bridge speaks of it: mixed with those before, where a router cut.
std::vector<torch::Tensor> Said(const LevelActivations& level) {
  std::vector<torch::Tensor> said;
  for (int64_t j = 0; j < level.o.size(1); ++j) {
    said.push_back(level.o[0][j]);
    if (!level.end_p.defined() || j == 0) continue;
    const auto ended = level.units.last[0][j - 1].item<int64_t>();
    const double share = std::max(level.end_p[0][ended].item<double>(), kRouterEven);
    said[j] = share * said[j] + (1 - share) * said[j - 1];
  }
  return said;
}

// Without layers behind the bridge a level's contexts are what the bridge made, so the
// weights that were told must make them again, item by item.
TEST(BridgeWeightsTest, TheyMakeWhatTheBridgeMade) {
  torch::NoGradGuard no_grad;
  for (const char* preset : {"block", "spacebyte", "dynamic"}) {
    ModelConfig config = Bridged(preset);
    config.levels[0].dec_layers = 0;
    ASSERT_TRUE(ValidateModelConfig(config).ok()) << ValidateModelConfig(config);
    HierarchicalTransformer model = BridgedModel(config);
    const auto w = model->named_parameters();
    const auto pass = InspectPass(model, Fed(), Everything(config), kTopK);
    const LevelConfig& level = config.levels[0];
    const LevelActivations& told = pass.activations[0];
    const auto& inspected = pass.inspection.levels[0];
    const InspectedStack& bridge = inspected.stacks.back();
    ASSERT_EQ(bridge.kind, InspectedStack::Kind::kBridge);
    std::vector<torch::Tensor> rows;  // of each context: [b + 2, D]
    for (const auto& said : Said(told)) {
      rows.push_back(at::mv(w["level.0.bridge.weight"], said).view({-1, level.dim}));
    }
    int64_t unit = 0;
    for (int64_t i = 0; i < bridge.positions; ++i) {
      if (unit < std::ssize(inspected.units) && inspected.units[unit].end_item == i) ++unit;
      const int64_t offset = i - (unit == 0 ? 0 : inspected.units[unit - 1].end_item);
      auto mixed = at::zeros({level.heads, level.dim / level.heads}, torch::kDouble);
      for (const AttentionMap& map : bridge.maps) {
        for (const AttentionLink& link : map.rows[i].links) {
          const auto value = rows[link.key - bridge.positions][level.block + 1];
          mixed[map.head] += link.weight * value.view({level.heads, -1})[map.head];
        }
      }
      const auto u = (i == 0 ? w["level.0.start"] : told.h[0][i - 1]) + rows[unit][offset] +
                     at::mv(w["level.0.bridge_attention.out.weight"], mixed.flatten());
      const auto c = u * at::rsqrt(u.square().mean() + kNormEpsilon) * w["level.0.norm.weight"];
      ASSERT_LE(Largest(c - told.c[0][i]), 1e-5) << preset << " " << i;
    }
  }
}

}  // namespace
}  // namespace strata::testing
