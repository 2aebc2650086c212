// Heads that learn how far they look: what they see, and what moves their spans.

#include "model/nn/adaptive_span.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/position_shape.h"
#include "model/presets.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/position_config.h"

namespace strata::testing {
namespace {

LevelConfig Level() {
  LevelConfig level;
  level.dim = 8;
  level.heads = 2;
  level.position = FindPositionScheme("adaptive-span");
  level.position_span = 80;  // a ramp of 10
  return level;
}

// Weights of the keys 0..n-1 for query n-1 where all scores are equal: [H, n].
torch::Tensor Weights(AdaptiveSpanImpl* span, int64_t n) {
  const auto nothing = torch::zeros({1, 2, 1, 4}, torch::kDouble);
  const auto keys = torch::zeros({1, 2, n, 4}, torch::kDouble);
  const auto distance = (n - 1 - torch::arange(n)).unsqueeze(0);
  return span->Scores(nothing, keys, distance).softmax(-1).view({2, n});
}

TEST(AdaptiveSpanTest, KeysFadeOverTheRampBehindTheSpan) {
  torch::NoGradGuard no_grad;
  AdaptiveSpanImpl span(Level());
  span.to(torch::kDouble);
  span.eval();
  span.named_parameters()["span"].copy_(torch::tensor({0.25, -3.0}));  // z = 20, 0
  const auto weights = Weights(&span, 50).flip(1);  // by distance
  const auto of = [&](int head, int distance) {
    return (weights[head][distance] / weights[head][0]).item<double>();
  };
  for (int d = 0; d < 50; ++d) {
    EXPECT_NEAR(of(0, d), std::clamp((30.0 - d) / 10, 0.0, 1.0), 1e-12) << d;
    EXPECT_NEAR(of(1, d), std::clamp((10.0 - d) / 10, 0.0, 1.0), 1e-12) << d;
  }
}

TEST(AdaptiveSpanTest, ASpanGrowsWhereFartherKeysWouldHelp) {
  AdaptiveSpanImpl span(Level());
  span.to(torch::kDouble);
  // More weight on the farthest key in the ramp, less on the nearest.
  const auto weights = Weights(&span, 12).flip(1);
  (-weights.select(1, 9).log() - 0.1 * weights.select(1, 11)).sum().backward();
  const auto gradient = span.named_parameters()["span"].grad();
  EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << gradient;
  EXPECT_TRUE((gradient < 0).all().item<bool>()) << gradient;
}

TEST(AdaptiveSpanTest, TrainingKeepsSpansWithinTheirRange) {
  AdaptiveSpanImpl span(Level());
  span.to(torch::kDouble);
  {
    torch::NoGradGuard no_grad;
    span.named_parameters()["span"].copy_(torch::tensor({-0.2, 1.7}));
  }
  // From beyond either end there is a way back.
  span.Spans().sum().backward();
  const auto parameter = span.named_parameters()["span"];
  EXPECT_EQ(parameter[0].item<double>(), 0);
  EXPECT_EQ(parameter[1].item<double>(), 1);
  EXPECT_TRUE((parameter.grad() == 80).all().item<bool>());
}

TEST(AdaptiveSpanTest, TheMeanIsOfAllHeadsOfAllLayers) {
  torch::NoGradGuard no_grad;
  HierarchicalTransformer model(PositionConfig(*FindPositionScheme("adaptive-span")));
  EXPECT_EQ(MeanSpan(*model).item<double>(), 0);
  for (auto& item : model->named_parameters()) {
    if (item.key().find(".span") != std::string::npos) item.value().fill_(0.5);
  }
  // Heads and spans of three levels: two layers each.
  const double all = (2 * 3 * 33 + 2 * 2 * 8.5 + 2 * 1 * 200) / (2 * (3 + 2 + 1));
  EXPECT_NEAR(MeanSpan(*model).item<double>(), all, 1e-4);
  HierarchicalTransformer plain(PresetConfig("flat").value());
  EXPECT_FALSE(MeanSpan(*plain).defined());
}

}  // namespace
}  // namespace strata::testing
