// Stacks whose items stop after as many repeats as they need: between one repeat and all
// of them, and what is paid for it.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "absl/strings/match.h"
#include "model/stack_depth.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/stack_config.h"

namespace strata::testing {
namespace {

class HaltingTest : public ::testing::TestWithParam<std::string> {
 protected:
  HaltingTest() {
    torch::NoGradGuard no_grad;
    for (const auto& entry : model_->named_parameters()) {
      if (absl::EndsWith(entry.key(), ".repeat")) entry.value().zero_();
    }
  }

  void SetBias(double bias) {
    torch::NoGradGuard no_grad;
    for (const auto& entry : model_->named_parameters()) {
      if (absl::EndsWith(entry.key(), "halt.bias")) entry.value().fill_(bias);
    }
  }

  // The same layers in a model of another config.
  torch::Tensor ForwardAs(const ModelConfig& config) {
    return WeightsIn(config, model_)->forward(items_).detach();
  }

  // Of all stacks that have items.
  std::vector<StackDepth> Depths() {
    std::vector<LevelActivations> levels;
    model_->Contexts(items_, {}, &levels);
    std::vector<StackDepth> depths;
    for (const LevelActivations& level : levels) {
      for (const StackDepth& depth : {level.enc_depth, level.dec_depth}) {
        if (depth.layers.defined()) depths.push_back(depth);
      }
    }
    return depths;
  }

  const ModelConfig config_ = StackConfig(GetParam());
  HierarchicalTransformer model_ = SharpModel(config_, torch::kDouble);
  const torch::Tensor items_ = RandomBytes(2, 67, 1);
};

TEST_P(HaltingTest, WhoIsSureAtOncePassesOneRepeat) {
  SetBias(1000);
  const auto once = ForwardAs(Shallowest(config_));
  EXPECT_LT((model_->forward(items_) - once).abs().max().item<double>(), 1e-10);
}

TEST_P(HaltingTest, WhoIsNeverSurePassesAll) {
  SetBias(-1000);
  ModelConfig all = config_;
  for (LevelConfig& level : all.levels) level.ponder = 0;
  EXPECT_LT((model_->forward(items_) - ForwardAs(all)).abs().max().item<double>(), 1e-10);
}

TEST_P(HaltingTest, ItemsOfOneTextPassDifferentNumbersOfRepeats) {
  SetBias(-0.5);
  int64_t least = 100, most = 0;
  for (const StackDepth& depth : Depths()) {
    least = std::min(least, depth.layers.min().item<int64_t>());
    most = std::max(most, depth.layers.max().item<int64_t>());
    EXPECT_GE(least, 1);
    // Repeats, of at least a layer each, and what is left: a share of one.
    EXPECT_GE(depth.ponder.min().item<double>(), 1);
    EXPECT_LE((depth.ponder - depth.layers).max().item<double>(), 1);
  }
  EXPECT_LT(least, most);
}

TEST_P(HaltingTest, PayingLessMeansHaltingSooner) {
  SetBias(-0.5);
  for (const StackDepth& depth : Depths()) {
    model_->zero_grad();
    depth.ponder.mean().backward({}, /*retain_graph=*/true);
    double pull = 0;
    for (const auto& entry : model_->named_parameters()) {
      if (!absl::EndsWith(entry.key(), "halt.bias") || !entry.value().grad().defined()) {
        continue;
      }
      pull = std::min(pull, entry.value().grad().item<double>());
    }
    EXPECT_LT(pull, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, HaltingTest, ::testing::Values("halting", "halting-tree"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace strata::testing
