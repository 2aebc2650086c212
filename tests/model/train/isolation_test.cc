// Documents of one row do not see one another: changing one leaves the losses of
// the others bit-identical, and a packed loss is the sum of the unpacked ones.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/presets.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/hierarchy/item_loss.h"
#include "model/train/batch_tensors.h"
#include "model/train/batcher.h"
#include "tests/model/train/train_fixture.h"
#include "tests/model/small_presets.h"

namespace strata {
namespace {

using testing::SampleText;

class Isolation : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    config_ = *PresetConfig(GetParam());
    model_ = HierarchicalTransformer(config_,
                                     ModelOptions{.seed = 3, .faults = {}});
    model_->eval();
    torch::NoGradGuard no_grad;
    // Larger weights make influences visible.
    for (at::Tensor& p : model_->parameters()) p.mul_(3);
  }

  Batch Pack(const std::vector<Document>& documents) {
    BatcherOptions options;
    options.sequence = 256;  // room for all, each at a multiple of 32
    options.block_bytes = DocumentAlignment(config_);
    options.shuffle = false;
    Batcher batcher(documents, options);
    DataCursor cursor;
    return batcher.Next(batcher.Rows(0), {}, &cursor);
  }
  at::Tensor Losses(const Batch& batch) {
    const BatchTensors t = RowsAsTensors(batch, 0, batch.rows);
    return ItemLosses(model_, t.items, t.segments);
  }
  double Loss(const Batch& batch) {
    torch::NoGradGuard no_grad;
    const BatchTensors t = RowsAsTensors(batch, 0, batch.rows);
    return MaskedLossSum(model_, t.items, t.trained, t.segments)
        .item<double>();
  }

  ModelConfig config_;
  HierarchicalTransformer model_{nullptr};
};

TEST_P(Isolation, ChangingOneDocumentLeavesTheOthersBitIdentical) {
  std::vector<Document> documents = {
      TextDocument(SampleText(37), true), TextDocument(SampleText(29), true),
      TextDocument(SampleText(41), true)};
  const Batch before = Pack(documents);
  ASSERT_EQ(before.rows, 1);
  documents[1] = TextDocument(std::string(29, '!'), true);
  const Batch after = Pack(documents);
  ASSERT_EQ(before.segments, after.segments);
  const at::Tensor a = Losses(before), b = Losses(after);
  bool changed = false;
  for (int64_t i = 0; i < before.sequence; ++i) {
    const float x = a[0][i].item<float>(), y = b[0][i].item<float>();
    if (before.segments[i] == 1) {
      changed = changed || x != y;
    } else if (config_.levels[0].block_rule == BlockRule::kFixed) {
      EXPECT_EQ(x, y) << i;
    } else {  // matrices of another size are rounded otherwise
      EXPECT_NEAR(x, y, 1e-4) << i;
    }
  }
  EXPECT_TRUE(changed);
}

TEST_P(Isolation, APackedLossIsTheSumOfTheUnpacked) {
  std::vector<Document> documents = {
      TextDocument(SampleText(37), true),
      CompletionDocument(SampleText(20), SampleText(9)),
      TextDocument(SampleText(41), true)};
  const Batch packed = Pack(documents);
  ASSERT_EQ(packed.rows, 1);
  double sum = 0;
  for (const Document& d : documents) sum += Loss(Pack({d}));
  EXPECT_NEAR(Loss(packed) / sum, 1.0, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Presets, Isolation,
                         ::testing::ValuesIn(testing::kSmallPresets));

}  // namespace
}  // namespace strata
