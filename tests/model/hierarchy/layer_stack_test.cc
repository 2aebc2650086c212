// Stacks that run their layers more than once.

#include "model/hierarchy/layer_stack.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/model/hierarchy/fixture.h"
#include "tests/model/stack_config.h"

namespace strata::testing {
namespace {

class LayerStackTest : public ::testing::TestWithParam<std::string> {
 protected:
  const ModelConfig config_ = StackConfig(GetParam());
  HierarchicalTransformer model_ = SharpModel(config_, torch::kDouble);
  const torch::Tensor items_ = RandomBytes(2, 67, 1);
};

TEST_P(LayerStackTest, RepeatsAreLayersThatShareTheirWeights) {
  torch::NoGradGuard no_grad;
  HierarchicalTransformer unrolled = Unrolled(model_);
  EXPECT_TRUE(model_->forward(items_).equal(unrolled->forward(items_)));
}

// The gradient of a weight that runs R times is the sum over R layers.
TEST_P(LayerStackTest, GradientsOfTheRunsAddUp) {
  HierarchicalTransformer unrolled = Unrolled(model_);
  model_->forward(items_).square().sum().backward();
  unrolled->forward(items_).square().sum().backward();
  const auto parts = unrolled->named_parameters();
  const auto& layers = config_.levels[0];
  auto sum = torch::zeros_like(parts["level.0.dec.0.attn.qkv.weight"]);
  for (int i = 0; i < DecoderRuns(layers); i += layers.dec_layers) {
    sum += parts["level.0.dec." + std::to_string(i) + ".attn.qkv.weight"].grad();
  }
  const auto own =
      model_->named_parameters()["level.0.dec.0.attn.qkv.weight"].grad();
  EXPECT_LT((own - sum).abs().max().item<double>(),
            1e-9 * sum.abs().max().item<double>());
}

TEST_P(LayerStackTest, EveryRepeatHasAVectorOfItsOwn) {
  torch::NoGradGuard no_grad;
  const auto before = model_->forward(items_);
  int64_t vectors = 0;
  for (const auto& entry : model_->named_parameters()) {
    if (entry.key().find(".repeat") == std::string::npos) continue;
    for (int64_t r = 0; r < entry.value().size(0); ++r, ++vectors) {
      entry.value()[r] += 0.5;
      EXPECT_GT((model_->forward(items_) - before).abs().max().item<double>(), 0)
          << entry.key() << " " << r;
      entry.value()[r] -= 0.5;
    }
  }
  int64_t expected = 0;
  for (const LevelConfig& level : config_.levels) {
    if (level.repeats == 1) continue;
    expected += level.repeats * ((level.enc_layers > 0) + (level.dec_layers > 0));
  }
  EXPECT_EQ(vectors, expected);
}

INSTANTIATE_TEST_SUITE_P(Models, LayerStackTest,
                         ::testing::ValuesIn(FullDepthStackConfigNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace strata::testing
