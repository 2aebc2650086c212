// N-gram heads: they see what the ordinary head sees (P2, P12), learn the items that
// they are there for, inside one document, and leave the rest of the model alone.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "model/hierarchy/item_loss.h"
#include "model/items.h"
#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

constexpr int kHeads = 3;

ModelConfig WithHeads(const std::string& name) {
  ModelConfig config = TestedConfig(name);
  config.ngram_heads = kHeads;
  return config;
}

// The logits of all n-gram heads, one beside the other: [B, T + 1, kHeads * V].
torch::Tensor NgramLogits(HierarchicalTransformer model,
                          const torch::Tensor& contexts) {
  std::vector<torch::Tensor> logits;
  for (int head = 1; head <= kHeads; ++head) {
    logits.push_back(model->Head(contexts, head));
  }
  return at::cat(logits, -1);
}

class NgramTest : public ::testing::TestWithParam<std::string> {
 protected:
  ModelConfig config_ = WithHeads(GetParam());
  // As in causality_test.cc: where the bytes decide how many units there are, sums
  // are rounded otherwise.
  bool ragged_ = config_.levels[0].block_rule != BlockRule::kFixed;
};

TEST_P(NgramTest, LogitsBeforeAPerturbationAreBitIdentical) {
  torch::NoGradGuard no_grad;
  auto model = SharpModel(config_, torch::kFloat);
  const auto items = RandomBytes(1, 67, 1);
  const auto base = NgramLogits(model, model->Contexts(items));
  int64_t moved = 0;
  for (int64_t j = 0; j < items.size(1); ++j) {
    const auto other =
        NgramLogits(model, model->Contexts(Perturbed(items, j)));
    const auto differs =
        ((other - base).abs() > (ragged_ ? 1e-3 : 0.0)).any(-1)[0];
    EXPECT_EQ(differs.slice(0, 0, j + 1).sum().item<int64_t>(), 0) << j;
    moved += differs.sum().item<int64_t>();
  }
  EXPECT_GT(moved, 0);
}

TEST_P(NgramTest, NoGradientReachesWhatComesAfterTheContext) {
  auto model = SharpModel(config_, torch::kFloat);
  const int64_t n = 67;
  const auto items = RandomBytes(1, n, 4);
  const auto embedded = model->Embed(items).detach().requires_grad_(true);
  const auto contexts = model->ContextsOf(embedded, items);
  for (int head = 1; head <= kHeads; ++head) {
    const auto log_p = model->Head(contexts, head).log_softmax(-1);
    for (int64_t t = 1; t <= n; t += 11) {
      const auto gradient = torch::autograd::grad(
          {log_p[0][t][17]}, {embedded}, {}, /*retain_graph=*/true)[0];
      EXPECT_EQ(gradient.slice(1, t).abs().sum().item<float>(), 0) << t;
      EXPECT_GT(gradient.slice(1, 0, t).abs().sum().item<float>(), 0) << t;
    }
  }
}

TEST_P(NgramTest, TheOrdinaryHeadIsThatOfAModelWithout) {
  torch::NoGradGuard no_grad;
  auto with = SharpModel(config_, torch::kFloat);
  ModelConfig plain = config_;
  plain.ngram_heads = 0;
  auto without = SharpModel(plain, torch::kFloat);
  const auto items = RandomBytes(2, 67, 1);
  EXPECT_TRUE(at::equal(with->forward(items), without->forward(items)));
}

// Two documents of 21 and 10 items in a row, padded, of which some are learnt.
struct Row {
  torch::Tensor items, trained, segments;
};

Row TwoDocuments(int64_t align) {
  const int64_t first = (21 + align - 1) / align * align;
  const int64_t n = first + (10 + align - 1) / align * align;
  Row row = {torch::full({1, n}, kPad, torch::kInt64),
             torch::zeros({1, n}, torch::kUInt8),
             torch::zeros({1, n}, torch::kInt64)};
  row.items.narrow(1, 0, 21).copy_(RandomBytes(1, 21, 5));
  row.items.narrow(1, first, 10).copy_(RandomBytes(1, 10, 6));
  row.trained.narrow(1, 0, 21).copy_(RandomBytes(1, 21, 7) % 3 != 0);
  row.trained.narrow(1, first, 10).copy_(RandomBytes(1, 10, 8) % 3 != 0);
  row.segments.slice(1, first).fill_(1);
  return row;
}

double LossOf(HierarchicalTransformer model, const Row& row, int head) {
  torch::NoGradGuard no_grad;
  return HeadLossSum(model, PredictingContexts(model, row.items, row.segments),
                     row.items, row.trained, row.segments, head)
      .item<double>();
}

TEST_P(NgramTest, TheLossIsThatOfThePairsInsideADocument) {
  torch::NoGradGuard no_grad;
  auto model = SharpModel(config_, torch::kDouble);
  const Row row = TwoDocuments(DocumentAlignment(config_));
  const auto contexts = PredictingContexts(model, row.items, row.segments);
  for (int head = 0; head <= kHeads; ++head) {
    const auto log_p = model->Head(contexts, head).log_softmax(-1);
    double expected = 0;
    for (int64_t t = 0; t + head < row.items.size(1); ++t) {
      const int64_t i = t + head;
      const bool same =
          row.segments[0][t].item<int64_t>() == row.segments[0][i].item<int64_t>();
      if (!same || !row.trained[0][i].item<bool>()) continue;
      expected -= log_p[0][t][row.items[0][i].item<int64_t>()].item<double>();
    }
    EXPECT_NEAR(LossOf(model, row, head), expected, 1e-8) << head;
    const auto losses = HeadLosses(model, contexts, row.items, head);
    const auto learnt = LearntPairs(row.trained, row.segments, head);
    EXPECT_NEAR(losses.masked_select(learnt).sum().item<double>(), expected, 1e-8);
  }
}

// What is learnt of the second document is not predicted from the first, nor from the
// padding behind it.
TEST_P(NgramTest, AnotherDocumentBeforeChangesNoLoss) {
  auto model = SharpModel(config_, torch::kDouble);
  Row row = TwoDocuments(DocumentAlignment(config_));
  row.trained.masked_fill_(row.segments == 0, 0);
  row.trained.masked_fill_((row.segments == 1) & (row.items != kPad), 1);
  Row other = row;
  other.items = at::where(row.segments == 0, (row.items + 77) % 256, row.items);
  for (int head = 1; head <= kHeads; ++head) {
    EXPECT_NEAR(LossOf(model, row, head), LossOf(model, other, head), 1e-8);
    EXPECT_GT(LossOf(model, row, head), 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, NgramTest, ::testing::ValuesIn(TestedModels()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST(HeadLossSumTest, ARowShorterThanTheHeadIsFarHasNoLoss) {
  ModelConfig config = TestedConfig("flat");
  config.ngram_heads = kMaxNgramHeads;
  auto model = SharpModel(config, torch::kFloat);
  const Row row = {RandomBytes(1, 4, 1), torch::ones({1, 4}, torch::kUInt8), {}};
  EXPECT_GT(LossOf(model, row, 3), 0);
  EXPECT_EQ(LossOf(model, row, 4), 0);
  EXPECT_EQ(LossOf(model, row, 7), 0);
}

}  // namespace
}  // namespace strata::testing
