// Decoders that items may leave early: nobody, everybody, or some, and what they see of
// one another.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/stack_depth.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/stack_config.h"

namespace strata::testing {
namespace {

class ExitsTest : public ::testing::TestWithParam<std::string> {
 protected:
  ExitHeadsImpl& exits() { return *model_->level(0).decoder().exits(); }

  torch::Tensor Layers() {
    std::vector<LevelActivations> levels;
    model_->Contexts(items_, {}, &levels);
    return levels[0].dec_depth.layers;
  }

  // The same layers, or the first of them, in a model of another config.
  torch::Tensor ForwardAs(const ModelConfig& config) {
    return WeightsIn(config, model_)->forward(items_).detach();
  }

  const ModelConfig config_ = StackConfig(GetParam());
  HierarchicalTransformer model_ = SharpModel(config_, torch::kDouble);
  const torch::Tensor items_ = RandomBytes(2, 67, 1);
};

TEST_P(ExitsTest, ANewModelLetsNobodyLeave) {
  ModelConfig all = config_;
  all.levels[0].exits = 0;
  EXPECT_TRUE(model_->forward(items_).equal(ForwardAs(all)));
  EXPECT_EQ(Layers().min().item<int64_t>(), config_.levels[0].dec_layers);
}

TEST_P(ExitsTest, WhereAllLeaveAtOnceTheLayersAboveAreNotThere) {
  exits().SetThreshold(-1);
  const auto first = ForwardAs(Shallowest(config_));
  EXPECT_LT((model_->forward(items_) - first).abs().max().item<double>(), 1e-12);
  EXPECT_EQ(Layers().max().item<int64_t>(), config_.levels[0].exits);
}

TEST_P(ExitsTest, ShutNobodyLeavesWhateverTheThreshold) {
  const auto all = model_->forward(items_);
  exits().SetThreshold(-1);
  exits().SetOpen(false);
  std::vector<LevelActivations> levels;
  const auto contexts = model_->Contexts(items_, {}, &levels);
  EXPECT_TRUE(model_->Head(contexts).equal(all));
  const auto& states = levels[0].dec_depth.states;
  ASSERT_EQ(static_cast<int64_t>(states.size()), ExitRows(config_.levels[0]) + 1);
  EXPECT_TRUE(model_->level(0).Norm(states.back()).equal(contexts));
}

TEST_P(ExitsTest, ItemsOfOneTextLeaveAfterDifferentLayers) {
  exits().SetThreshold(0.5);
  const auto layers = Layers();
  EXPECT_EQ(layers.min().item<int64_t>(), config_.levels[0].exits);
  EXPECT_EQ(layers.max().item<int64_t>(), config_.levels[0].dec_layers);
  // An item that goes on sees those that have left.
  const auto some = model_->forward(items_);
  exits().SetThreshold(kNoExit);
  EXPECT_GT((some - model_->forward(items_)).abs().max().item<double>(), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Models, ExitsTest, ::testing::Values("exits", "exits-tree"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace strata::testing
