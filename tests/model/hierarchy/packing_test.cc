// Documents packed in one row do not see one another, and a packed or split
// batch has the loss and the gradients of its parts.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/hierarchy/item_loss.h"
#include "model/items.h"
#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

struct Packed {
  torch::Tensor items;     // [1, n]
  torch::Tensor trained;   // [1, n]
  torch::Tensor segments;  // [1, n]
};

// Packs [1, length] documents, each padded to a multiple of `align`.
Packed Pack(const std::vector<torch::Tensor>& documents, int64_t align) {
  std::vector<torch::Tensor> items, trained, segments;
  for (size_t d = 0; d < documents.size(); ++d) {
    const int64_t length = documents[d].size(1);
    const int64_t padded = (length + align - 1) / align * align;
    items.push_back(at::constant_pad_nd(documents[d], {0, padded - length},
                                        kPad));
    trained.push_back(at::constant_pad_nd(
        torch::ones({1, length}, torch::kUInt8), {0, padded - length}, 0));
    segments.push_back(
        torch::full({1, padded}, static_cast<int64_t>(d), torch::kInt64));
  }
  return {at::cat(items, 1), at::cat(trained, 1), at::cat(segments, 1)};
}

class PackingTest : public ::testing::TestWithParam<std::string> {
 protected:
  // Bit for bit; up to rounding where the bytes decide how many units there are,
  // and with them the sizes of the matrices.
  bool Same(const torch::Tensor& a, const torch::Tensor& b) const {
    return config_.levels[0].block_rule == BlockRule::kFixed
               ? at::equal(a, b)
               : at::allclose(a, b, 1e-4, 1e-4);
  }

  ModelConfig config_ = TestedConfig(GetParam());
  int64_t align_ = DocumentAlignment(config_);
  std::vector<torch::Tensor> documents_ = {
      RandomBytes(1, 50, 1), RandomBytes(1, 24, 2), RandomBytes(1, 1, 3),
      RandomBytes(1, 67, 4)};
};

TEST_P(PackingTest, ChangingOneDocumentLeavesTheOthersBitIdentical) {
  auto model = SharpModel(config_, torch::kFloat);
  const Packed packed = Pack(documents_, align_);
  const auto before = ItemLosses(model, packed.items, packed.segments);
  for (size_t changed = 0; changed < documents_.size(); ++changed) {
    auto documents = documents_;
    documents[changed] = RandomBytes(1, documents[changed].size(1), 99);
    const Packed other = Pack(documents, align_);
    const auto after = ItemLosses(model, other.items, other.segments);
    const auto rest = packed.segments != static_cast<int64_t>(changed);
    EXPECT_TRUE(Same(before.masked_select(rest), after.masked_select(rest)));
    EXPECT_FALSE(at::equal(before, after));
  }
}

TEST_P(PackingTest, WithoutSegmentsDocumentsDoSeeOneAnother) {
  if (config_.reach > 0 && config_.reach < align_) {
    GTEST_SKIP() << "a reach of " << config_.reach << " may end in the padding";
  }
  auto model = SharpModel(config_, torch::kFloat);
  auto documents = documents_;
  documents[0] = RandomBytes(1, 50, 99);
  const Packed a = Pack(documents_, align_);
  const Packed b = Pack(documents, align_);
  const auto last = a.segments == 1;
  EXPECT_FALSE(at::equal(ItemLosses(model, a.items).masked_select(last),
                         ItemLosses(model, b.items).masked_select(last)));
}

TEST_P(PackingTest, PackedLossIsTheSumOfUnpackedLosses) {
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    auto model = SharpModel(config_, type);
    const Packed packed = Pack(documents_, align_);
    const double whole =
        MaskedLossSum(model, packed.items, packed.trained, packed.segments)
            .item<double>();
    double sum = 0;
    for (const auto& document : documents_) {
      sum += MaskedLossSum(model, document, torch::ones_like(document))
                 .item<double>();
    }
    EXPECT_NEAR(whole / sum, 1.0, type == torch::kFloat ? 1e-5 : 1e-12);
  }
}

TEST_P(PackingTest, SplittingABatchKeepsItsGradients) {
  auto model = SharpModel(config_, torch::kDouble);
  const auto items = RandomBytes(6, 48, 7);
  const auto trained = RandomBytes(6, 48, 8) % 3 != 0;
  const auto gradients = [&](int64_t rows) {
    model->zero_grad();
    for (int64_t row = 0; row < 6; row += rows) {
      MaskedLossSum(model, items.slice(0, row, row + rows),
                    trained.slice(0, row, row + rows))
          .backward();
    }
    std::vector<torch::Tensor> result;
    for (const auto& p : model->parameters()) {
      // A tree's merge has none where no two leaves are complete.
      const auto grad = p.grad().defined() ? p.grad() : torch::zeros_like(p);
      result.push_back(grad.clone().flatten());
    }
    return at::cat(result);
  };
  const auto whole = gradients(6);
  for (const int64_t rows : {1, 2, 3}) {
    EXPECT_LT((gradients(rows) - whole).norm().item<double>(),
              1e-12 * whole.norm().item<double>())
        << rows;
  }
}

TEST_P(PackingTest, ItemLossesSumToTheMaskedLoss) {
  auto model = SharpModel(config_, torch::kDouble);
  const Packed packed = Pack(documents_, align_);
  const auto losses = ItemLosses(model, packed.items, packed.segments);
  EXPECT_NEAR(
      losses.masked_select(packed.trained != 0).sum().item<double>(),
      MaskedLossSum(model, packed.items, packed.trained, packed.segments)
          .item<double>(),
      1e-8);
}

INSTANTIATE_TEST_SUITE_P(Models, PackingTest,
                         ::testing::ValuesIn(TestedModels()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

// One small model: on a busy machine every barrier of two threads is slow.
TEST(ThreadsTest, ShareTheWorkWithoutChangingIt) {
  auto model = SharpModel(TestedConfig("three-levels"), torch::kDouble);
  const auto items = RandomBytes(4, 300, 7);
  const auto gradients = [&](int threads) {
    at::set_num_threads(threads);
    model->zero_grad();
    MaskedLossSum(model, items, torch::ones_like(items)).backward();
    at::set_num_threads(1);
    std::vector<torch::Tensor> result;
    for (const auto& p : model->parameters()) {
      // A tree's merge has none where no two leaves are complete.
      const auto grad = p.grad().defined() ? p.grad() : torch::zeros_like(p);
      result.push_back(grad.clone().flatten());
    }
    return at::cat(result);
  };
  const auto alone = gradients(1);
  EXPECT_LT((gradients(2) - alone).norm().item<double>(),
            1e-12 * alone.norm().item<double>());
}

}  // namespace
}  // namespace strata::testing
