// Sums of features in place of keys: the formula, the chunks, documents, the weights
// that a watcher is told, and what goes on from one call to the next.

#include "model/nn/linear_attention.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

constexpr int64_t kHeads = 2, kWidth = 6;
const auto kF64 = torch::TensorOptions().dtype(torch::kDouble);

torch::Tensor Random(int64_t n, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return 2 * torch::randn({3, n, kHeads, kWidth}, generator, kF64);
}

// Pair by pair, all of them.
torch::Tensor Naive(const torch::Tensor& q, const torch::Tensor& k,
                    const torch::Tensor& v, const torch::Tensor& documents) {
  const auto phi = [](const torch::Tensor& x) {
    return at::where(x > 0, x + 1, x.clamp_max(0).exp());
  };
  const auto scores = at::einsum("bihk,bjhk->bhij", {phi(q), phi(k)});
  auto seen = torch::ones_like(scores).tril();
  if (documents.defined()) {
    seen = seen * (documents.unsqueeze(2) == documents.unsqueeze(1)).unsqueeze(1);
  }
  const auto shares = scores * seen;
  return at::einsum("bhij,bjhk->bihk", {shares / shares.sum(-1, true), v});
}

// Rows of documents that begin inside chunks, at their borders, and span several.
torch::Tensor Documents(int64_t n) {
  auto documents = torch::zeros({3, n}, torch::kLong);
  for (const int64_t begin : {5, 6, 64, 150}) {
    if (begin < n) documents[1].slice(0, begin) += 1;
  }
  for (const int64_t begin : {63, 127, 128, 129}) {
    if (begin < n) documents[2].slice(0, begin) += 1;
  }
  return documents;
}

TEST(LinearAttentionTest, ChunksAreTheFormula) {
  for (const int64_t n : {1, 2, 63, 64, 65, 128, 200}) {
    const auto q = Random(n, 1), k = Random(n, 2), v = Random(n, 3);
    for (const auto& documents : {torch::Tensor(), Documents(n)}) {
      const auto found = LinearAttention::Attend(q, k, v, documents, nullptr);
      EXPECT_LT(Largest(found - Naive(q, k, v, documents)), 1e-12) << n;
    }
  }
}

TEST(LinearAttentionTest, GradientsAreThoseOfTheFormula) {
  const int64_t n = 150;
  std::vector<torch::Tensor> inputs = {Random(n, 1), Random(n, 2), Random(n, 3)};
  for (auto& x : inputs) x.requires_grad_(true);
  const auto w = Random(n, 4), documents = Documents(n);
  const auto found = torch::autograd::grad(
      {(LinearAttention::Attend(inputs[0], inputs[1], inputs[2], documents, nullptr) * w)
           .sum()},
      inputs);
  const auto wanted = torch::autograd::grad(
      {(Naive(inputs[0], inputs[1], inputs[2], documents) * w).sum()}, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_LT(Largest(found[i] - wanted[i]), 1e-10) << i;
  }
}

TEST(LinearAttentionTest, SumsGoOnFromCallToCall) {
  const int64_t n = 150;
  const auto q = Random(n, 1), k = Random(n, 2), v = Random(n, 3);
  const auto whole = LinearAttention::Attend(q, k, v, torch::Tensor(), nullptr);
  auto sums = torch::zeros({3, kHeads, kWidth, kWidth + 1}, kF64);
  std::vector<torch::Tensor> parts;
  int64_t at = 0;
  for (const int64_t count : {1, 1, 5, 64, 70, 9}) {
    const auto part = [&](const torch::Tensor& x) { return x.narrow(1, at, count); };
    parts.push_back(LinearAttention::Attend(part(q), part(k), part(v), {}, &sums));
    at += count;
  }
  ASSERT_EQ(at, n);
  EXPECT_LT(Largest(at::cat(parts, 1) - whole), 1e-12);
}

class Told final : public AttentionWatcher {
 public:
  void OnWeights(const AttentionPlan&, int64_t first,
                 const torch::Tensor& weights) override {
    EXPECT_EQ(first, 0);
    told = weights;
  }
  void OnTreeWeights(const TreePlan&, int64_t, const torch::Tensor&) override {}
  torch::Tensor told;
};

TEST(LinearAttentionTest, WhatIsToldIsWhatMixes) {
  const int64_t n = 90;
  const auto q = Random(n, 1), k = Random(n, 2), v = Random(n, 3);
  AttentionPlan plan;
  plan.documents = Documents(n);
  Told watcher;
  const auto watched = LinearAttention::Attend(q, k, v, plan, &watcher);
  EXPECT_LT(Largest(watched - LinearAttention::Attend(q, k, v, plan, nullptr)), 1e-12);
  EXPECT_LT(Largest(watcher.told.sum(-1) - 1), 1e-12);
  EXPECT_LT(Largest(at::einsum("bhij,bjhk->bihk", {watcher.told, v}) - watched), 1e-12);
  EXPECT_EQ(Largest(watcher.told.triu(1)), 0);
}

// Where every feature vanishes, so does the result; nothing is divided by zero.
TEST(LinearAttentionTest, NothingIsDividedByZero) {
  const auto q = torch::full({1, 3, 1, kWidth}, -2000.0, kF64);
  const auto mixed = LinearAttention::Attend(q, q, torch::ones_like(q), torch::Tensor(), nullptr);
  EXPECT_EQ(Largest(mixed), 0);
}

}  // namespace
}  // namespace strata::testing
