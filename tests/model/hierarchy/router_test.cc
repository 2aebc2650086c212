// A learned cut: the recurrence, what the choices learn, what keeps units at length,
// and how it begins.

#include "model/nn/router.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/hierarchy/item_loss.h"
#include "model/presets.h"
#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

torch::Tensor Random(std::vector<int64_t> shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return torch::rand(shape, generator, torch::kDouble);
}

TEST(RouterTest, SmoothedIsItsRecurrence) {
  for (const int64_t contexts : {1, 2, 3, 8, 13}) {
    const auto o = Random({2, contexts, 3}, 1);
    auto share = Random({2, contexts}, 2);
    share.select(1, 0).fill_(1);
    if (contexts > 4) share[1][4] = 1;  // a document begins
    const auto found = Smoothed(o, share);
    auto s = o.select(1, 0);
    for (int64_t j = 0; j < contexts; ++j) {
      const auto mine = share.select(1, j).unsqueeze(-1);
      s = mine * o.select(1, j) + (1 - mine) * s;
      EXPECT_LT((found.select(1, j) - s).abs().max().item<double>(), 1e-14);
    }
    if (contexts > 4) {
      EXPECT_TRUE(found[1][4].equal(o[1][4]));
    }
  }
}

TEST(RouterTest, ConfidenceIsOneAndFavoursWhatWasChosen) {
  auto p = torch::tensor({0.2, 0.7, 0.9, 0.1}, torch::kDouble).unsqueeze(0);
  p.requires_grad_();
  const auto free = torch::tensor({1, 1, 0, 0}, torch::kBool).unsqueeze(0);
  const auto one = Confidence(p, free);
  EXPECT_TRUE(one.equal(torch::ones_like(one)));
  one.sum().backward();
  EXPECT_TRUE(p.grad().flatten().equal(
      torch::tensor({-1.0, 1.0, 0.0, 0.0}, torch::kDouble)));
}

TEST(RouterTest, TheRatioLossPullsTowardsTheLengthAimedAt) {
  const auto loss_and_slope = [](double share, double mean) {
    auto p = torch::full({1, 60}, share, torch::kDouble).requires_grad_();
    const auto cuts = torch::zeros({1, 60}, torch::kBool);
    cuts.slice(1, 0, static_cast<int64_t>(60 * mean)).fill_(true);
    const auto loss = RatioLoss(p, cuts, torch::ones_like(cuts), 6);
    loss.backward();
    return std::pair(loss.item<double>(), p.grad().sum().item<double>());
  };
  EXPECT_NEAR(loss_and_slope(1.0 / 6, 1.0 / 6).first, 1.0, 1e-12);
  EXPECT_NEAR(loss_and_slope(1.0 / 6, 1.0 / 6).second, 0.0, 1e-12);
  EXPECT_GT(loss_and_slope(0.5, 0.5).second, 0.1);   // too many ends: p falls
  EXPECT_LT(loss_and_slope(0.1, 0.05).second, -0.1);  // too few: p grows
}

TEST(RouterTest, WhatIsNotCountedSaysNothing) {
  auto p = torch::full({1, 4}, 0.25, torch::kDouble);
  auto ends = torch::zeros({1, 4}, torch::kBool);
  ends[0][1] = true;
  const auto counted = torch::tensor({0, 1, 1, 1}, torch::kBool).unsqueeze(0);
  const double before = RatioLoss(p, ends, counted, 3).item<double>();
  p[0][0] = 0.9;
  ends[0][0] = true;
  EXPECT_EQ(RatioLoss(p, ends, counted, 3).item<double>(), before);
}

TEST(RouterTest, BeginsBySayingHowUnlikeNeighboursAre) {
  HierarchicalTransformer model(PresetConfig("dynamic-1m").value());
  auto& router = model->level(0).router();
  const auto x = Random({1, 1, 128}, 3).to(torch::kFloat);
  const auto h = at::cat({x, x, -x, x + 0}, 1);
  const auto begins = torch::tensor({1, 0, 0, 1}, torch::kBool).unsqueeze(0);
  const auto p = router->forward(h, begins);
  EXPECT_EQ(p[0][0].item<float>(), 0.0f);
  EXPECT_NEAR(p[0][1].item<float>(), 0.0f, 1e-6);
  EXPECT_NEAR(p[0][2].item<float>(), 1.0f, 1e-6);
  EXPECT_EQ(p[0][3].item<float>(), 0.0f);  // the first of its document
}

TEST(RouterTest, TheChoicesOfAModelLearn) {
  auto model = SharpModel(PresetConfig("dynamic-1m").value(), torch::kFloat);
  const auto items = RandomBytes(2, 90, 4);
  MaskedLossSum(model, items, torch::ones_like(items)).backward();
  const auto parameters = model->named_parameters();
  EXPECT_GT(parameters["level.0.router.weight"].grad().norm().item<float>(), 0.0f);
}

}  // namespace
}  // namespace strata::testing
