// The scopes of a classifier's levels against the sums that define them, key by key.

#include "model/document/document_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/document/random_blocks.h"
#include "tests/model/document/document_fixture.h"

namespace strata::testing {
namespace {

using ::testing::ElementsAre;

constexpr int kHeads = 2;
constexpr int kWidth = 4;  // of a head
constexpr int kLayer = 1;
constexpr int64_t kItems = 37;

// Softmax over the scores of one query, mixed with the rows of `values`.
torch::Tensor Mix(const std::vector<torch::Tensor>& scores,
                  const std::vector<torch::Tensor>& values) {
  return at::mv(at::stack(values).t(), at::stack(scores).softmax(0));
}

class DocumentAttentionTest : public ::testing::TestWithParam<DocumentScopeSpec> {
 protected:
  DocumentAttentionTest() {
    at::manual_seed(5);
    DocumentLevelConfig level{.dim = kHeads * kWidth, .heads = kHeads, .layers = 2};
    level.scope = GetParam();
    scope_ = MakeDocumentAttention(level, kItems + 3);
    scope_->to(torch::kDouble);
    torch::NoGradGuard no_grad;
    for (auto& p : scope_->parameters()) p.normal_();
    rows_.lengths = {kItems, 9, 1};
    rows_.padding = torch::arange(kItems).unsqueeze(0) >=
                    torch::tensor(rows_.lengths).unsqueeze(1);
    rows_.mask = torch::zeros({3, 1, kItems}, torch::kDouble)
                     .masked_fill_(rows_.padding.unsqueeze(1),
                                   -std::numeric_limits<double>::infinity());
    const auto angles = Angles(0, kItems, kWidth, 100.0);
    rows_.rope = {angles.cos, angles.sin};
    qkv_ = at::randn({3, spec().global_items + kItems, 3 * kHeads * kWidth},
                     torch::kDouble);
  }

  const DocumentScopeSpec& spec() const { return GetParam(); }

  // Whether item `i` of a row of so many sees item `j`, from the definition.
  bool Sees(int64_t i, int64_t j, int64_t length) const {
    if (std::abs(i - j) <= spec().window) return true;
    const int64_t blocks = (length + spec().window - 1) / spec().window;
    const auto drawn =
        RandomBlocks(kLayer, i / spec().window, blocks, spec().random_blocks);
    return std::find(drawn.begin(), drawn.end(), j / spec().window) != drawn.end();
  }

  // [H, g + n, K] of a row: part 0, 1, 2 of the projection, turned or not.
  torch::Tensor Part(int64_t row, int part, bool turned) const {
    auto x = qkv_[row].unflatten(1, {3, kHeads, kWidth}).select(1, part);
    if (turned) {
      const int64_t g = spec().global_items;
      x = at::cat({x.narrow(0, 0, g), ApplyRope(x.narrow(0, g, kItems), rows_.rope)});
    }
    return x.transpose(0, 1);
  }

  torch::Tensor Sparse(int64_t row, int64_t head, int64_t at) const {
    const int64_t g = spec().global_items;
    const auto plain_q = Part(row, 0, false)[head], plain_k = Part(row, 1, false)[head];
    const auto q = Part(row, 0, true)[head], k = Part(row, 1, true)[head];
    const auto v = Part(row, 2, false)[head];
    std::vector<torch::Tensor> scores, values;
    for (int64_t j = 0; j < g + rows_.lengths[row]; ++j) {
      const bool placeless = at < g || j < g;
      if (!placeless && !Sees(at - g, j - g, rows_.lengths[row])) continue;
      scores.push_back((placeless ? plain_q[at].dot(plain_k[j]) : q[at].dot(k[j])) /
                       std::sqrt(kWidth));
      values.push_back(v[j]);
    }
    return Mix(scores, values);
  }

  torch::Tensor Projected(int64_t row, int64_t head, int64_t at) const {
    const auto named = scope_->named_parameters();
    const auto mixtures = [&](const char* name, const torch::Tensor& of) {
      std::vector<torch::Tensor> made;
      for (int p = 0; p < spec().projected; ++p) {
        auto sum = at::zeros({kWidth}, torch::kDouble);
        for (int64_t j = 0; j < rows_.lengths[row]; ++j) sum += named[name][p][j] * of[j];
        made.push_back(sum * std::sqrt((kItems + 3.0) / rows_.lengths[row]));
      }
      return made;
    };
    const auto q = Part(row, 0, true)[head];
    std::vector<torch::Tensor> scores;
    for (const auto& key : mixtures("key_1", Part(row, 1, true)[head])) {
      scores.push_back(q[at].dot(key) / std::sqrt(kWidth));
    }
    return Mix(scores, mixtures("value_1", Part(row, 2, false)[head]));
  }

  std::shared_ptr<DocumentAttentionImpl> scope_;
  DocumentRows rows_;
  torch::Tensor qkv_;
};

TEST_P(DocumentAttentionTest, IsTheSumThatDefinesIt) {
  torch::NoGradGuard no_grad;
  const auto out = scope_->Attend(kLayer, qkv_, rows_);
  ASSERT_EQ(out.sizes(), (std::vector<int64_t>{3, spec().global_items + kItems,
                                               kHeads * kWidth}));
  for (int64_t row = 0; row < 3; ++row) {
    for (int64_t at = 0; at < spec().global_items + rows_.lengths[row]; ++at) {
      for (int64_t head = 0; head < kHeads; ++head) {
        const auto expected = spec().projected > 0 ? Projected(row, head, at)
                                                   : Sparse(row, head, at);
        const auto seen = out[row][at].narrow(0, head * kWidth, kWidth);
        EXPECT_LT((seen - expected).abs().max().item<double>(), 1e-12)
            << row << " " << at << " " << head;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Scopes, DocumentAttentionTest,
    ::testing::Values(DocumentScopeSpec{.scope = DocumentScope::kLinformer, .projected = 6},
                      DocumentScopeSpec{.scope = DocumentScope::kEtc,
                                        .window = 5,
                                        .global_items = 2},
                      DocumentScopeSpec{.scope = DocumentScope::kBigBird,
                                        .window = 4,
                                        .global_items = 3,
                                        .random_blocks = 2}),
    ScopeParamName);

TEST(RandomBlocks, AreDifferentNoNeighboursAndAsManyAsThereAre) {
  for (int64_t blocks = 1; blocks < 12; ++blocks) {
    for (int64_t own = 0; own < blocks; ++own) {
      const auto drawn = RandomBlocks(0, own, blocks, 3);
      const int64_t near = std::min<int64_t>(own, 1) + std::min<int64_t>(blocks - 1 - own, 1);
      EXPECT_EQ(static_cast<int64_t>(drawn.size()),
                std::min<int64_t>(3, blocks - 1 - near));
      for (size_t d = 0; d < drawn.size(); ++d) {
        EXPECT_GT(std::abs(drawn[d] - own), 1);
        EXPECT_LT(drawn[d], blocks);
        if (d > 0) {
          EXPECT_GT(drawn[d], drawn[d - 1]);
        }
      }
    }
  }
  EXPECT_NE(RandomBlocks(0, 0, 100, 4), RandomBlocks(1, 0, 100, 4));
  EXPECT_THAT(RandomBlocks(0, 0, 3, 4), ElementsAre(2));
}

}  // namespace
}  // namespace strata::testing
