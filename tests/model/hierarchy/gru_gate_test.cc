// Gates in place of a residual sum: their formula, their limits, and how they begin.

#include "model/nn/gru_gate.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/model/hierarchy/fixture.h"
#include "tests/model/stack_config.h"

namespace strata::testing {
namespace {

constexpr int64_t kDim = 5;

torch::Tensor Random(std::vector<int64_t> shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return torch::randn(shape, generator, torch::kDouble);
}

// With weights of a normal distribution, and this bias.
GruGate RandomGate(double bias) {
  GruGate gate(kDim);
  gate->to(torch::kDouble);
  torch::NoGradGuard no_grad;
  uint64_t seed = 1;
  for (auto& parameter : gate->parameters()) {
    parameter.copy_(Random(parameter.sizes().vec(), seed++));
  }
  gate->named_parameters()["bias"].fill_(bias);
  return gate;
}

TEST(GruGateTest, IsTheFormulaOfThePaper) {
  torch::NoGradGuard no_grad;
  GruGate gate = RandomGate(0.7);
  const auto p = gate->named_parameters();
  const auto w = p["input.weight"], u = p["state.weight"];
  const auto rows = [](const torch::Tensor& m, int64_t i) {
    return m.narrow(0, i * kDim, kDim);
  };
  const auto x = Random({kDim}, 11), y = Random({kDim}, 12).relu();
  const auto r = (rows(w, 0).mv(y) + rows(u, 0).mv(x)).sigmoid();
  const auto z = (rows(w, 1).mv(y) + rows(u, 1).mv(x) - 0.7).sigmoid();
  const auto h = (rows(w, 2).mv(y) + p["candidate.weight"].mv(r * x)).tanh();
  const auto found = gate->forward(x, Random({kDim}, 12));
  EXPECT_LT((found - ((1 - z) * x + z * h)).abs().max().item<double>(), 1e-14);
}

TEST(GruGateTest, AHighBiasPassesTheInputOn) {
  torch::NoGradGuard no_grad;
  const auto x = Random({4, kDim}, 11), y = Random({4, kDim}, 12);
  EXPECT_TRUE(RandomGate(200)->forward(x, y).equal(x));
  // A low one lets only the candidate through, which is no larger than 1.
  EXPECT_LE(RandomGate(-2000)->forward(100 * x, y).abs().max().item<double>(),
            1.0 + 1e-12);
}

TEST(GruGateTest, WhatIsNegativeInASublayerDoesNotEnter) {
  torch::NoGradGuard no_grad;
  const auto x = Random({4, kDim}, 11), y = Random({4, kDim}, 12).abs();
  GruGate gate = RandomGate(0);
  EXPECT_TRUE(gate->forward(x, -y).equal(gate->forward(x, 0 * y)));
  EXPECT_FALSE(gate->forward(x, y).equal(gate->forward(x, 0 * y)));
}

TEST(GruGateTest, BeginsWithItsBiasAtTwo) {
  HierarchicalTransformer model(StackConfig("gates"));
  int gates = 0;
  for (const auto& entry : model->named_parameters()) {
    if (entry.key().find("gate.bias") == std::string::npos) continue;
    ++gates;
    EXPECT_TRUE(entry.value().eq(2.0).all().item<bool>()) << entry.key();
  }
  EXPECT_EQ(gates, 2 * 7);  // two a layer
}

}  // namespace
}  // namespace strata::testing
