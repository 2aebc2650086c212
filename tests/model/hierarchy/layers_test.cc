// Layers against their formulas in model/README.md, written out naively.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <utility>

#include "model/nn/feed_forward.h"
#include "model/nn/pooling_layer.h"
#include "model/nn/residual.h"
#include "model/nn/rms_norm.h"
#include "model/nn/rope.h"
#include "model/nn/torch_guard.h"

namespace strata {
namespace {

const auto kF64 = torch::TensorOptions().dtype(torch::kDouble);

void Randomise(torch::nn::Module* module) {
  torch::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(11);
  for (auto& p : module->parameters()) p.normal_(0.0, 0.7, generator);
}

torch::Tensor NaiveNorm(const torch::Tensor& x, const torch::Tensor& weight) {
  return x / (x.square().mean(-1, true) + 1e-5).sqrt() * weight;
}

// Compares values and gradients of two functions of one input.
template <typename A, typename B>
void ExpectSame(const torch::Tensor& input, A a, B b, double tolerance) {
  auto x = input.clone().requires_grad_(true);
  auto y = input.clone().requires_grad_(true);
  const auto left = a(x);
  const auto right = b(y);
  const auto weight = torch::randn_like(left);
  (left * weight).sum().backward();
  (right * weight).sum().backward();
  EXPECT_TRUE(at::allclose(left, right, tolerance, tolerance));
  EXPECT_TRUE(at::allclose(x.grad(), y.grad(), tolerance, tolerance));
}

TEST(RmsNormTest, EqualsItsFormula) {
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    RmsNorm norm(48);
    norm->to(torch::kDouble);
    Randomise(norm.get());
    norm->to(type);
    const auto x = torch::randn({3, 7, 48}, kF64).to(type);
    const double tolerance = type == torch::kFloat ? 1e-5 : 1e-12;
    ExpectSame(
        x, [&](auto v) { return norm->forward(v); },
        [&](auto v) { return NaiveNorm(v, norm->weight); }, tolerance);
    norm->zero_grad();
    const auto w = torch::randn_like(x);
    (norm->forward(x) * w).sum().backward();
    const auto mine = norm->weight.grad().clone();
    norm->zero_grad();
    (NaiveNorm(x, norm->weight) * w).sum().backward();
    EXPECT_TRUE(at::allclose(mine, norm->weight.grad(), tolerance, tolerance));
  }
}

TEST(RopeTest, ScoresDependOnTheDistanceAlone) {
  RopeCache cache(8, 10000.0);
  const auto tables = cache.Get(200, kF64);
  const auto q = torch::randn({1, 1, 1, 8}, kF64).expand({1, 200, 1, 8});
  const auto k = torch::randn({1, 1, 1, 8}, kF64).expand({1, 200, 1, 8});
  const auto turned_q = ApplyRope(q, tables)[0].squeeze(1);
  const auto turned_k = ApplyRope(k, tables)[0].squeeze(1);
  const auto scores = at::matmul(turned_q, turned_k.t());
  for (const int64_t i : {20, 77, 199}) {
    EXPECT_NEAR(scores[i][i - 13].item<double>(),
                scores[13][0].item<double>(), 1e-12);
  }
  EXPECT_GT(std::abs(scores[13][0].item<double>() -
                     scores[0][0].item<double>()),
            1e-6);
}

TEST(RopeTest, TurnsPairsByIndexTimesThetaPower) {
  RopeCache cache(6, 100.0);
  const auto tables = cache.Get(5, kF64);
  auto x = torch::zeros({1, 5, 1, 6}, kF64);
  x.select(-1, 1).fill_(1.0);
  const auto y = ApplyRope(x, tables);
  const double angle = 3 * std::pow(100.0, -2.0 / 6);
  EXPECT_NEAR(y[0][3][0][1].item<double>(), std::cos(angle), 1e-15);
  EXPECT_NEAR(y[0][3][0][4].item<double>(), std::sin(angle), 1e-15);
}

TEST(FeedForwardTest, EqualsItsFormula) {
  FeedForward layer(8, 24);
  layer->to(torch::kDouble);
  Randomise(layer.get());
  const auto p = layer->named_parameters();
  ExpectSame(
      torch::randn({2, 5, 8}, kF64), [&](auto v) { return layer->forward(v); },
      [&](auto v) {
        const auto x =
            at::matmul(NaiveNorm(v, p["norm.weight"]), p["up.weight"].t());
        const auto gelu =
            x / 2 *
            (1 + at::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x.pow(3))));
        return at::matmul(gelu, p["down.weight"].t());
      },
      1e-12);
}

LevelConfig Pooled(int dim, int heads, int block, PoolKind kind) {
  LevelConfig level;
  level.dim = dim;
  level.heads = heads;
  level.block = block;
  level.pool = kind;
  return level;
}

TEST(PoolingLayerTest, AttentionEqualsItsFormula) {
  constexpr int64_t kDim = 8, kHeads = 2, kBlock = 3, kAbove = 10;
  const auto layer = MakePoolingLayer(
      Pooled(kDim, kHeads, kBlock, PoolKind::kAttention), kAbove);
  layer->to(torch::kDouble);
  Randomise(layer.get());
  const auto p = layer->named_parameters();
  ExpectSame(
      torch::randn({2, 11, kDim}, kF64),
      [&](auto v) { return layer->forward(v); },
      [&](auto v) {
        const auto h = v.narrow(1, 0, 9).reshape({2, 3, kBlock, kDim});
        const auto g = NaiveNorm(h, p["norm.weight"]) + p["offset"];
        const auto k = at::matmul(g, p["key.weight"].t())
                           .view({2, 3, kBlock, kHeads, kDim / kHeads});
        const auto x = at::matmul(g, p["value.weight"].t())
                           .view({2, 3, kBlock, kHeads, kDim / kHeads});
        const auto query = p["query"].view({kHeads, kDim / kHeads});
        const auto share = ((k * query).sum(-1) / 2.0).softmax(2);
        const auto mean = (share.unsqueeze(-1) * x).sum(2);
        return at::matmul(mean.reshape({2, 3, kDim}), p["out.weight"].t());
      },
      1e-12);
}

TEST(PoolingLayerTest, TheOtherRulesEqualTheirs) {
  using Mix = std::function<torch::Tensor(const torch::Tensor&)>;
  const std::pair<PoolKind, Mix> rules[] = {
      {PoolKind::kMean, [](const auto& g) { return g.sum(2) / 3; }},
      {PoolKind::kLast, [](const auto& g) { return g.select(2, 2); }},
      {PoolKind::kConcat, [](const auto& g) {
         return at::cat({g.select(2, 0), g.select(2, 1), g.select(2, 2)}, -1);
       }}};
  for (const auto& [kind, mix] : rules) {
    const auto layer = MakePoolingLayer(Pooled(8, 2, 3, kind), 10);
    layer->to(torch::kDouble);
    Randomise(layer.get());
    const auto p = layer->named_parameters();
    ExpectSame(
        torch::randn({2, 11, 8}, kF64),
        [&](auto v) { return layer->forward(v); },
        [&](auto v) {
          const auto h = v.narrow(1, 0, 9).reshape({2, 3, 3, 8});
          return at::matmul(mix(NaiveNorm(h, p["norm.weight"])),
                            p["out.weight"].t());
        },
        1e-12);
  }
}

TEST(PoolingLayerTest, AnIncompleteBlockIsNotPooled) {
  for (const PoolKind kind : {PoolKind::kAttention, PoolKind::kMean,
                              PoolKind::kLast, PoolKind::kConcat}) {
    const auto layer = MakePoolingLayer(Pooled(8, 2, 4, kind), 6);
    EXPECT_EQ(layer->forward(torch::randn({2, 3, 8})).sizes(),
              (std::vector<int64_t>{2, 0, 6}));
    EXPECT_EQ(layer->forward(torch::randn({2, 11, 8})).size(1), 2);
  }
}

TEST(ResidualTest, DropoutKeepsTheMeanAndItsGradientFollowsTheMask) {
  torch::manual_seed(5);
  const auto x = torch::randn({64, 100});
  auto update = torch::ones({64, 100}).requires_grad_(true);
  const auto y = AddDropped(x, update, 0.25);
  y.sum().backward();
  const auto added = (y - x).detach();
  const auto kept = added > 0.5;
  EXPECT_NEAR(kept.to(torch::kFloat).mean().item<double>(), 0.75, 0.03);
  EXPECT_TRUE(at::allclose(added, kept.to(torch::kFloat) / 0.75, 1e-5, 1e-5));
  EXPECT_TRUE(
      at::allclose(update.grad(), kept.to(torch::kFloat) / 0.75, 1e-5, 1e-5));
  EXPECT_TRUE(at::equal(AddDropped(x, update, 0.0), x + update));
}

TEST(ResidualTest, DropoutIsAFunctionOfTheDefaultGeneratorsState) {
  const auto x = torch::randn({9, 33});
  torch::manual_seed(6);
  const auto a = Dropped(x, 0.5);
  const auto b = Dropped(x, 0.5);
  torch::manual_seed(6);
  EXPECT_TRUE(at::equal(a, Dropped(x, 0.5)));
  EXPECT_FALSE(at::equal(a, b));
}

TEST(TorchGuardTest, TurnsExceptionsIntoStatuses) {
  EXPECT_TRUE(TorchGuard([] {}).ok());
  EXPECT_EQ(*TorchGuard([] { return 3; }), 3);
  const auto shapes = TorchGuard(
      [] { return at::matmul(torch::ones({2, 3}), torch::ones({2, 3})); });
  EXPECT_EQ(shapes.status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(shapes.status().message().find('\n'), std::string::npos);
  const auto memory =
      TorchGuard([] { return torch::empty({int64_t{1} << 50}); });
  EXPECT_EQ(memory.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(TorchGuard([] { return absl::NotFoundError("x"); }).code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace strata
