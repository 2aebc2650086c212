// Folded attention equals attention under a naive n x n mask, for every scope,
// with and without packed documents.

#include "model/nn/attention_plan.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "model/nn/fold_heads.h"
#include "model/nn/full_attention.h"
#include "tests/model/naive_scope.h"

namespace strata {
namespace {

constexpr int64_t kHeads = 2;
constexpr int64_t kHeadDim = 6;
constexpr int64_t kBatch = 3;

torch::Tensor NaiveMask(const ScopeSpec& spec, int64_t n,
                        const torch::Tensor& segments) {
  auto mask = torch::full({kBatch, 1, n, n},
                          -std::numeric_limits<double>::infinity(),
                          torch::kDouble);
  for (int64_t b = 0; b < kBatch; ++b) {
    for (int64_t i = 0; i < n; ++i) {
      int64_t start = 0;  // of the document
      for (int64_t j = 0; segments.defined() && j < i; ++j) {
        if (segments[b][j].item<int64_t>() != segments[b][i].item<int64_t>()) {
          start = j + 1;
        }
      }
      for (int64_t j = start; j < n; ++j) {
        const bool same = !segments.defined() ||
                          segments[b][i].item<int64_t>() ==
                              segments[b][j].item<int64_t>();
        if (same && testing::NaiveSees(spec, i - start, j - start)) {
          mask[b][0][i][j] = 0.0;
        }
      }
    }
  }
  return mask;
}

torch::Tensor Naive(const torch::Tensor& qkv, const torch::Tensor& mask,
                    const RopeTables& rope) {
  const int64_t n = qkv.size(1);
  const auto parts = qkv.view({kBatch, n, 3, kHeads, kHeadDim}).unbind(2);
  const auto q = ApplyRope(parts[0], rope).transpose(1, 2);
  const auto k = ApplyRope(parts[1], rope).transpose(1, 2);
  const auto scores =
      at::matmul(q, k.transpose(2, 3)) / std::sqrt(double{kHeadDim}) + mask;
  return at::matmul(scores.softmax(-1), parts[2].transpose(1, 2))
      .transpose(1, 2)
      .reshape({kBatch, n, kHeads * kHeadDim});
}

torch::Tensor Folded(const torch::Tensor& qkv, const ScopeSpec& spec,
                     const torch::Tensor& segments, const RopeTables& rope) {
  const auto plan =
      MakeAttentionPlan(spec, kBatch, qkv.size(1), segments, rope,
                        torch::TensorOptions().dtype(torch::kDouble));
  const auto heads = FoldHeads(qkv, kHeads, plan);
  return UnfoldQueries(FullAttention::Attend(heads.q, heads.k, heads.v, plan),
                       plan);
}

// Documents that start at multiples of 6, others in each row.
torch::Tensor Segments(int64_t n) {
  auto segments = torch::zeros({kBatch, n}, torch::kInt64);
  for (int64_t b = 0; b < kBatch; ++b) {
    for (int64_t i = 0; i < n; ++i) segments[b][i] = i / (6 * (b + 1));
  }
  return segments;
}

struct Case {
  const char* name;
  ScopeSpec spec;
};

class AttentionPlanTest : public ::testing::TestWithParam<Case> {};

TEST_P(AttentionPlanTest, EqualsTheNaiveMaskAndItsGradient) {
  RopeCache cache(kHeadDim, 10000.0);
  const auto f64 = torch::TensorOptions().dtype(torch::kDouble);
  for (const int64_t n : {1, 2, 5, 6, 17, 48, 67}) {
    for (const bool packed : {false, true}) {
      const auto segments = packed ? Segments(n) : torch::Tensor();
      const auto rope = cache.Get(n, f64);
      auto generator = at::detail::createCPUGenerator(n);
      const auto make = [&] {
        return torch::randn({kBatch, n, 3 * kHeads * kHeadDim}, generator, f64);
      };
      const auto qkv = make();
      const auto weight = make().narrow(2, 0, kHeads * kHeadDim);
      auto a = qkv.clone().requires_grad_(true);
      auto b = qkv.clone().requires_grad_(true);
      const auto naive =
          Naive(a, NaiveMask(GetParam().spec, n, segments), rope);
      const auto folded = Folded(b, GetParam().spec, segments, rope);
      (naive * weight).sum().backward();
      (folded * weight).sum().backward();
      EXPECT_TRUE(at::allclose(naive, folded, 1e-12, 1e-12)) << n << packed;
      EXPECT_TRUE(at::allclose(a.grad(), b.grad(), 1e-11, 1e-11))
          << n << packed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Scopes, AttentionPlanTest,
    ::testing::Values(Case{"full", {Scope::kFull, 0, 0}},
                      Case{"window_1", {Scope::kWindow, 1, 0}},
                      Case{"window_4", {Scope::kWindow, 4, 6}},
                      Case{"window_20", {Scope::kWindow, 20, 0}},
                      Case{"window_100", {Scope::kWindow, 100, 0}},
                      Case{"block_6", {Scope::kBlock, 0, 6}},
                      Case{"bidir_6", {Scope::kBidirBlock, 0, 6}},
                      Case{"dilated_4_by_3", {Scope::kDilated, 4, 0, 3}},
                      Case{"dilated_1_by_2", {Scope::kDilated, 1, 0, 2}},
                      Case{"dilated_20_by_2", {Scope::kDilated, 20, 0, 2}},
                      Case{"strided_5_by_4", {Scope::kStrided, 5, 0, 0, 4}},
                      Case{"strided_1_by_7", {Scope::kStrided, 1, 0, 0, 7}},
                      Case{"strided_20_by_2", {Scope::kStrided, 20, 0, 0, 2}},
                      Case{"global_3_window_5", {Scope::kGlobalLocal, 5, 0, 0, 0, 3}},
                      Case{"global_30_window_2",
                           {Scope::kGlobalLocal, 2, 0, 0, 0, 30}}),
    [](const auto& info) { return info.param.name; });

TEST(AttentionPlanTest, AWindowNeverCostsTheSquareOfTheLength) {
  RopeCache cache(kHeadDim, 10000.0);
  const auto f32 = torch::TensorOptions().dtype(torch::kFloat);
  const int64_t n = 100000;
  const auto turns = cache.Get(n, f32);
  const auto size = [&](const ScopeSpec& spec) {
    return MakeAttentionPlan(spec, 1, n, {}, turns, f32).mask.numel();
  };
  EXPECT_LE(size({Scope::kWindow, 32, 0}), 64 * (n + 32));
  EXPECT_LE(size({Scope::kDilated, 32, 0, 4}), 64 * (n + 4 * 32));
  EXPECT_LE(size({Scope::kGlobalLocal, 32, 0, 0, 0, 8}), (64 + 8) * (n + 32));
  EXPECT_LE(size({Scope::kStrided, 32, 0, 0, 1000}), (64 + 100) * (n + 32));
}

TEST(FullAttentionTest, SurvivesScoresThatWouldOverflowExp) {
  const auto f32 = torch::TensorOptions().dtype(torch::kFloat);
  RopeCache cache(kHeadDim, 10000.0);
  const auto plan = MakeAttentionPlan({Scope::kFull, 0, 0}, kBatch, 9, {},
                                      cache.Get(9, f32), f32);
  const auto qkv =
      torch::randn({kBatch, 9, 3 * kHeads * kHeadDim}, f32) * 1e4;
  const auto heads = FoldHeads(qkv, kHeads, plan);
  const auto y = FullAttention::Attend(heads.q, heads.k, heads.v, plan);
  EXPECT_TRUE(at::isfinite(y).all().item<bool>());
}

}  // namespace
}  // namespace strata
