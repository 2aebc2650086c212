// What is recorded of one layer, against attention written out number by number.

#include "model/inspect/attention_recorder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/nn/attention_layer.h"
#include "model/nn/explicit_attention.h"
#include "tests/model/naive_scope.h"

namespace strata {
namespace {

constexpr int64_t kDim = 12;
constexpr int64_t kHeads = 3;
constexpr int64_t kHeadDim = kDim / kHeads;
constexpr double kTheta = 50.0;

// q or k of an item and head, turned by its index: [K].
std::vector<double> Turned(const torch::Tensor& qkv, int64_t item, int part,
                           int64_t head) {
  std::vector<double> x;
  for (int64_t m = 0; m < kHeadDim; ++m) {
    x.push_back(
        qkv[item][part * kDim + head * kHeadDim + m].item<double>());
  }
  for (int64_t m = 0; m < kHeadDim / 2; ++m) {
    const double angle =
        static_cast<double>(item) *
        std::pow(kTheta, -2.0 * static_cast<double>(m) / kHeadDim);
    const double a = x[static_cast<size_t>(m)];
    const double b = x[static_cast<size_t>(m + kHeadDim / 2)];
    x[static_cast<size_t>(m)] = a * std::cos(angle) - b * std::sin(angle);
    x[static_cast<size_t>(m + kHeadDim / 2)] =
        b * std::cos(angle) + a * std::sin(angle);
  }
  return x;
}

// softmax over the keys that the scope shows.
std::vector<double> NaiveRow(const torch::Tensor& qkv, int64_t head,
                             int64_t query, const ScopeSpec& spec) {
  const auto q = Turned(qkv, query, 0, head);
  std::vector<double> row(static_cast<size_t>(qkv.size(0)), 0.0);
  double sum = 0;
  for (int64_t j = 0; j < qkv.size(0); ++j) {
    if (!testing::NaiveSees(spec, query, j)) continue;
    const auto k = Turned(qkv, j, 1, head);
    double dot = 0;
    for (size_t m = 0; m < k.size(); ++m) dot += q[m] * k[m];
    row[static_cast<size_t>(j)] = std::exp(dot / std::sqrt(double{kHeadDim}));
    sum += row[static_cast<size_t>(j)];
  }
  for (double& weight : row) weight /= sum;
  return row;
}

AttentionLayer RandomLayer() {
  AttentionLayer layer(kDim, kHeads);
  auto generator = at::detail::createCPUGenerator(3);
  torch::NoGradGuard no_grad;
  for (auto& parameter : layer->parameters()) {
    if (parameter.dim() == 2) parameter.normal_(0.0, 0.5, generator);
  }
  layer->to(torch::kDouble);
  return layer;
}

class AttentionRecorderTest : public ::testing::TestWithParam<ScopeSpec> {};

TEST_P(AttentionRecorderTest, EachWeightIsThatOfItsKey) {
  torch::NoGradGuard no_grad;
  const ScopeSpec spec = GetParam();
  constexpr int64_t kItems = 43;  // of no chunk a multiple
  auto generator = at::detail::createCPUGenerator(4);
  const auto options = torch::TensorOptions().dtype(torch::kDouble);
  const auto x = torch::randn({1, kItems, kDim}, generator, options);
  AttentionLayer layer = RandomLayer();
  RopeCache rope(kHeadDim, kTheta);
  const AttentionPlan plan = MakeAttentionPlan(
      spec, 1, kItems, {}, rope.Get(kItems, options), options);
  AttentionRecorder recorder({0, 2}, kItems);
  layer->Watch(&recorder);
  const auto watched = layer->forward(x, plan);
  layer->Watch(nullptr);
  EXPECT_LE((watched - layer->forward(x, plan)).abs().max().item<double>(), 1e-12);

  torch::Tensor qkv;
  layer->Apply(x, [&](const torch::Tensor& joint, const torch::Tensor&) {
    qkv = joint[0];
    return joint.narrow(2, 0, kDim);
  });
  const std::vector<AttentionMap> maps = recorder.Take(7);
  ASSERT_EQ(maps.size(), 2u);
  EXPECT_EQ(maps[1].layer, 7);
  EXPECT_EQ(maps[1].head, 2);
  for (const AttentionMap& map : maps) {
    for (int64_t i = 0; i < kItems; ++i) {
      const auto expected = NaiveRow(qkv, map.head, i, spec);
      const AttentionRow& row = map.rows[static_cast<size_t>(i)];
      EXPECT_EQ(static_cast<int64_t>(row.links.size()),
                testing::NaiveCount(spec, i, kItems));
      for (const AttentionLink& link : row.links) {
        EXPECT_NEAR(link.weight, expected[static_cast<size_t>(link.key)], 1e-6);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Scopes, AttentionRecorderTest,
    ::testing::Values(ScopeSpec{Scope::kFull, 0, 0}, ScopeSpec{Scope::kWindow, 5, 0},
                      ScopeSpec{Scope::kWindow, 64, 0}, ScopeSpec{Scope::kBlock, 0, 8},
                      ScopeSpec{Scope::kBidirBlock, 0, 8},
                      ScopeSpec{Scope::kDilated, 3, 0, 2},
                      ScopeSpec{Scope::kStrided, 3, 0, 0, 5},
                      ScopeSpec{Scope::kGlobalLocal, 3, 0, 0, 0, 2}));

TEST(RecordedRowTest, KeepsTheHeaviestAndSumsTheRest) {
  AttentionPlan plan;
  plan.batch = 1;
  plan.items = plan.chunk = 4;
  const auto row = torch::tensor({0.1, 0.4, 0.4, 0.1}, torch::kDouble);
  AttentionRecorder recorder({0}, 2);
  recorder.OnWeights(plan, 0, row.view({1, 1, 1, 4}).expand({1, 1, 4, 4}));
  const AttentionRow kept = recorder.Take(0)[0].rows[3];
  ASSERT_EQ(kept.links.size(), 2u);
  EXPECT_EQ(kept.links[0].key, 1);  // of equals the earlier
  EXPECT_EQ(kept.links[1].key, 2);
  EXPECT_NEAR(kept.rest, 0.2, 1e-6);
}

// Slices are an inner matter: 3000 queries of 3000 keys are more than one.
TEST(ExplicitAttentionTest, SlicesEqualTheWhole) {
  torch::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(9);
  const auto options = torch::TensorOptions().dtype(torch::kDouble);
  const auto q = torch::randn({1, 1, 3000, 4}, generator, options);
  const auto v = torch::randn({1, 1, 3000, 4}, generator, options);
  int64_t told = 0;
  int calls = 0;
  const auto mixed = ExplicitAttention(
      q, q, v, {}, /*causal=*/true,
      [&](int64_t first, const torch::Tensor& weights) {
        EXPECT_EQ(first, told);
        told += weights.size(2);
        ++calls;
      });
  EXPECT_EQ(told, 3000);
  EXPECT_GT(calls, 1);
  const auto whole = at::scaled_dot_product_attention(q, q, v, {}, 0.0, true);
  EXPECT_LE((mixed - whole).abs().max().item<double>(), 1e-12);
}

TEST(TreeNodeNumbersTest, CountsCompleteNodesByHeight) {
  EXPECT_EQ(TreeNodeNumbers({4, 1, 0}, 3), (std::vector<int64_t>{0}));
  EXPECT_EQ(TreeNodeNumbers({4, 1, 0}, 27), (std::vector<int64_t>{0, 6, 9, 10}));
  EXPECT_EQ(TreeNodeNumbers({4, 1, 1}, 27), (std::vector<int64_t>{0, 6, 9}));
}

}  // namespace
}  // namespace strata
