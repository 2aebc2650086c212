// What training a model with a router minimises: the ratio of its units beside the
// loss, over what was said and not over padding.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

#include "model/items.h"
#include "model/presets.h"
#include "model/train/language_loss.h"

namespace strata {
namespace {

torch::Tensor RatioTerm(HierarchicalTransformer model, const torch::Tensor& items) {
  BatchTensors rows;
  rows.items = items;
  rows.segments = torch::zeros_like(items);
  rows.trained = (items != kPad).to(torch::kUInt8);
  const TaskLoss loss = LanguageLossSums(model, rows, {});
  return (loss.minimised - loss.reported) / rows.trained.sum();
}

HierarchicalTransformer Model() {
  HierarchicalTransformer model(PresetConfig("dynamic").value());
  model->to(torch::kDouble);
  model->eval();
  return model;
}

torch::Tensor Bytes(int64_t n) {
  return (torch::arange(n * n, n * n + n) * 7919 % 251).unsqueeze(0);
}

TEST(RouterLossTest, TheRatioIsMinimisedAndNotReported) {
  auto model = Model();
  const auto items = Bytes(96);
  std::vector<LevelActivations> levels;
  model->Contexts(items.slice(1, 0, -1), {}, &levels);
  const auto expected =
      kRatioWeight * RatioLoss(levels[0].end_p, levels[0].units.ends,
                               levels[0].end_counted, 6);
  const auto term = RatioTerm(model, items);
  EXPECT_NEAR(term.item<double>(), expected.item<double>(), 1e-9);
  EXPECT_TRUE(term.requires_grad());
}

TEST(RouterLossTest, PaddingDoesNotCount) {
  auto model = Model();
  const auto items = Bytes(64);
  // The last item is not fed: one pad more takes its place.
  const auto padded =
      at::constant_pad_nd(items.slice(1, 0, -1), {0, 40}, kPad);
  EXPECT_NEAR(RatioTerm(model, padded).item<double>(),
              RatioTerm(model, items).item<double>(), 1e-9);
}

}  // namespace
}  // namespace strata
