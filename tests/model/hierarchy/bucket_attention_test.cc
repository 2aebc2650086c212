// Attention to a query's bucket: the definition pair by pair, its gradients, how far it is
// from attention to all keys, and the rules that choose buckets.

#include "model/nn/bucket_attention.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "model/nn/lsh_attention.h"
#include "model/nn/routing_attention.h"
#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

constexpr int64_t kBatch = 2, kHeads = 2, kWidth = 4;
const auto kF64 = torch::TensorOptions().dtype(torch::kDouble);

torch::Tensor Random(int64_t n, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return torch::randn({kBatch, n, kHeads, kWidth}, generator, kF64);
}

Buckets RandomBuckets(int64_t rounds, int64_t n, int64_t count) {
  auto generator = at::detail::createCPUGenerator(7);
  const auto draw = [&] {
    return torch::randint(0, count, {rounds, kBatch, kHeads, n}, generator,
                          torch::kLong);
  };
  return {draw(), draw(), count};
}

// The second row has documents.
torch::Tensor Documents(int64_t n) {
  auto documents = torch::full({kBatch, n}, 3, torch::kLong);
  for (const int64_t begin : {2, 3, 20}) {
    if (begin < n) documents[1].slice(0, begin) += 2;
  }
  return documents;
}

// [B, H, n, n] of bool, item by item: the newest keys of the bucket on each side.
torch::Tensor NaiveSeen(const Buckets& buckets, const torch::Tensor& documents,
                        bool causal) {
  const int64_t n = buckets.keys.size(3);
  const int64_t most = std::min(n, (2 * n + buckets.count - 1) / buckets.count);
  auto seen = torch::zeros({kBatch, kHeads, n, n}, torch::kBool);
  auto out = seen.accessor<bool, 4>();
  const auto q = buckets.queries.accessor<int64_t, 4>();
  const auto k = buckets.keys.accessor<int64_t, 4>();
  const auto same = [&](int64_t b, int64_t i, int64_t j) {
    return !documents.defined() ||
           documents[b][i].item<int64_t>() == documents[b][j].item<int64_t>();
  };
  for (int64_t r = 0; r < buckets.keys.size(0); ++r) {
    for (int64_t b = 0; b < kBatch; ++b) {
      for (int64_t h = 0; h < kHeads; ++h) {
        for (int64_t i = 0; i < n; ++i) {
          int64_t before = 0, behind = 0;
          for (int64_t j = i; j >= 0 && before < most; --j) {
            if (k[r][b][h][j] != q[r][b][h][i] || !same(b, i, j)) continue;
            out[b][h][i][j] = true;
            ++before;
          }
          for (int64_t j = i + 1; j < n && !causal && behind < most; ++j) {
            if (k[r][b][h][j] != q[r][b][h][i] || !same(b, i, j)) continue;
            out[b][h][i][j] = true;
            ++behind;
          }
          out[b][h][i][i] = true;
        }
      }
    }
  }
  return seen;
}

torch::Tensor Masked(const torch::Tensor& q, const torch::Tensor& k,
                     const torch::Tensor& v, const torch::Tensor& seen) {
  const auto scores = at::einsum("bihk,bjhk->bhij", {q, k}) / std::sqrt(double(kWidth));
  const auto share =
      scores.masked_fill(seen.logical_not(), -std::numeric_limits<double>::infinity())
          .softmax(-1);
  return at::einsum("bhij,bjhk->bihk", {share, v});
}

TEST(BucketAttentionTest, IsOneSoftmaxOverTheNewestOfTheBuckets) {
  for (const bool causal : {true, false}) {
    for (const int64_t n : {1, 2, 7, 16, 33, 64}) {
      for (const int64_t count : {2, 3, 8, 40}) {
        for (const int64_t rounds : {1, 3}) {
          const auto q = Random(n, 1), k = Random(n, 2), v = Random(n, 3);
          const Buckets buckets = RandomBuckets(rounds, n, count);
          for (const auto& documents : {torch::Tensor(), Documents(n)}) {
            const auto found =
                BucketAttention::Attend(q, k, v, buckets, documents, causal);
            const auto wanted =
                Masked(q, k, v, NaiveSeen(buckets, documents, causal));
            EXPECT_LT(Largest(found - wanted), 1e-12)
                << n << " items, " << count << " buckets, " << rounds << " rounds"
                << (causal ? "" : ", both ways");
          }
        }
      }
    }
  }
}

TEST(BucketAttentionTest, GradientsAreThoseOfTheDefinition) {
  const int64_t n = 33;
  const Buckets buckets = RandomBuckets(2, n, 4);
  std::vector<torch::Tensor> inputs = {Random(n, 1), Random(n, 2), Random(n, 3)};
  for (auto& x : inputs) x.requires_grad_(true);
  const auto w = Random(n, 4), documents = Documents(n);
  const auto found = torch::autograd::grad(
      {(BucketAttention::Attend(inputs[0], inputs[1], inputs[2], buckets, documents, true) *
        w).sum()},
      inputs);
  const auto wanted = torch::autograd::grad(
      {(Masked(inputs[0], inputs[1], inputs[2], NaiveSeen(buckets, documents, true)) * w)
           .sum()},
      inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_LT(Largest(found[i] - wanted[i]), 1e-12) << i;
  }
}

torch::Tensor Exact(const torch::Tensor& q, const torch::Tensor& k,
                    const torch::Tensor& v) {
  const int64_t n = q.size(1);
  return Masked(q, k, v, torch::ones({1, 1, n, n}, torch::kBool).tril());
}

TEST(BucketAttentionTest, OneBucketIsAttentionToAll) {
  const int64_t n = 70;
  const auto q = Random(n, 1), k = Random(n, 2), v = Random(n, 3);
  const auto zeros = torch::zeros({2, kBatch, kHeads, n}, torch::kLong);
  const auto found = BucketAttention::Attend(q, k, v, {zeros, zeros, 2}, {}, true);
  EXPECT_LT(Largest(found - Exact(q, k, v)), 1e-13);
}

// Of sharp attention, whose heaviest keys a hash finds: the mean distance from the exact
// form falls with every doubling of the rounds.
TEST(LshBucketsTest, MoreRoundsComeCloserToAttentionToAll) {
  const int64_t n = 256;
  const auto q = 2 * Random(n, 1), k = 2 * Random(n, 2), v = Random(n, 3);
  const auto wanted = Exact(q, k, v);
  double last = std::numeric_limits<double>::infinity();
  for (const int64_t rounds : {1, 2, 4, 8, 16}) {
    at::manual_seed(11);
    LshBucketsImpl rule(16, rounds);
    const auto found =
        BucketAttention::Attend(q, k, v, rule.Choose(q, k, {}, true), {}, true);
    const double distance = (found - wanted).abs().mean().item<double>();
    RecordProperty("rounds_" + std::to_string(rounds), std::to_string(distance));
    EXPECT_LT(distance, last) << rounds;
    last = distance;
  }
  EXPECT_LT(last, 0.05);
}

TEST(LshBucketsTest, HashesByDirectionAndDrawsFromTheSeed) {
  const int64_t n = 200;
  const auto x = Random(n, 1);
  LshBucketsImpl rule(8, 2);
  at::manual_seed(3);
  const Buckets one = rule.Choose(x, 5 * x, {}, true);
  EXPECT_TRUE(one.queries.equal(one.keys));
  EXPECT_EQ(one.queries.max().item<int64_t>(), 7);
  EXPECT_EQ(one.queries.min().item<int64_t>(), 0);
  EXPECT_FALSE(one.queries.equal(rule.Choose(x, x, {}, true).queries));
  at::manual_seed(3);
  EXPECT_TRUE(one.queries.equal(rule.Choose(x, x, {}, true).queries));
  // A direction and its opposite never share a bucket.
  at::manual_seed(3);
  EXPECT_FALSE(one.queries.eq(rule.Choose(-x, x, {}, true).queries).any().item<bool>());
}

class RoutingBucketsTest : public ::testing::Test {
 protected:
  RoutingBucketsTest() {
    rule_.to(torch::kDouble);
    torch::NoGradGuard no_grad;
    // Along the axes of the first three channels.
    centroids_.copy_(torch::eye(3, kWidth, kF64).expand({kHeads, 3, kWidth}));
  }

  RoutingBucketsImpl rule_{kHeads, 3, kWidth};
  torch::Tensor centroids_ = rule_.named_parameters()["centroids"];
};

TEST_F(RoutingBucketsTest, EveryItemIsOfTheNearestCluster) {
  const auto q = Random(50, 1), k = Random(50, 2);
  const Buckets buckets = rule_.Choose(q, k, {}, true);
  EXPECT_TRUE(buckets.queries[0].equal(
      q.narrow(3, 0, 3).argmax(-1).transpose(1, 2)));
  EXPECT_TRUE(buckets.keys[0].equal(k.narrow(3, 0, 3).argmax(-1).transpose(1, 2)));
}

TEST_F(RoutingBucketsTest, ClustersMoveToTheirMembersAfterTheStep) {
  auto x = torch::zeros({kBatch, 3, kHeads, kWidth}, kF64);
  x.select(3, 0) = 3;
  x.select(3, 3) = 4;
  const auto before = centroids_.clone();
  rule_.Choose(x, x, {}, true);
  rule_.Choose(x, 2 * x, {}, true);
  EXPECT_TRUE(centroids_.equal(before));
  rule_.EndStep(/*applied=*/true);
  // unit(0.99 (1, 0, 0, 0) + 0.01 (0.6, 0, 0, 0.8))
  const double a = 0.99 + 0.006, b = 0.008, length = std::hypot(a, b);
  EXPECT_NEAR(centroids_[1][0][0].item<double>(), a / length, 1e-12);
  EXPECT_NEAR(centroids_[1][0][3].item<double>(), b / length, 1e-12);
  // Those without members stay.
  EXPECT_TRUE(centroids_.slice(1, 1).equal(before.slice(1, 1)));
}

TEST_F(RoutingBucketsTest, PaddingMovesNoCluster) {
  const auto q = Random(20, 1), before = centroids_.clone();
  auto documents = torch::zeros({kBatch, 20}, torch::kLong);
  documents.slice(1, 12) = -1;
  rule_.Choose(q, q, documents, true);
  rule_.EndStep(/*applied=*/true);
  const auto padded = centroids_.clone();
  {
    torch::NoGradGuard no_grad;
    centroids_.copy_(before);
  }
  const auto real = q.slice(1, 0, 12);
  rule_.Choose(real, real, {}, true);
  rule_.EndStep(/*applied=*/true);
  EXPECT_LT(Largest(padded - centroids_), 1e-15);
}

TEST_F(RoutingBucketsTest, NothingIsLeftOfAStepThatDoesNotCount) {
  const auto q = Random(50, 1), before = centroids_.clone();
  ChooseBuckets(rule_, q, q, {});
  rule_.EndStep(/*applied=*/false);
  rule_.EndStep(/*applied=*/true);
  EXPECT_TRUE(centroids_.equal(before));
  {
    torch::NoGradGuard no_grad;
    ChooseBuckets(rule_, q, q, {});
  }
  rule_.EndStep(/*applied=*/true);
  EXPECT_TRUE(centroids_.equal(before));
}

}  // namespace
}  // namespace strata::testing
