// What training a model whose items halt minimises: the cost of their repeats beside the
// loss, which is reported without it.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

#include "model/train/language_loss.h"
#include "tests/model/stack_config.h"

namespace strata {
namespace {

TEST(PonderLossTest, RepeatsArePaidForAndNotReported) {
  ModelConfig config = testing::StackConfig("halting");
  config.levels[1].ponder = 0.3;
  HierarchicalTransformer model(config);
  model->to(torch::kDouble);
  model->eval();
  BatchTensors rows;
  rows.items = (torch::arange(120) * 7919 % 251).view({2, 60});
  rows.segments = torch::zeros_like(rows.items);
  rows.trained = torch::ones_like(rows.items).to(torch::kUInt8);
  const TaskLoss loss = LanguageLossSums(model, rows, {});
  std::vector<LevelActivations> levels;
  model->Contexts(rows.items.slice(1, 0, -1), rows.segments, &levels);
  double expected = 0;
  for (size_t l = 0; l < levels.size(); ++l) {
    expected += config.levels[l].ponder *
                (levels[l].enc_depth.ponder.mean().item<double>() +
                 levels[l].dec_depth.ponder.mean().item<double>());
  }
  EXPECT_GT(expected, 0.01);
  EXPECT_NEAR((loss.minimised - loss.reported).item<double>(), 120 * expected, 1e-9);
  EXPECT_TRUE(loss.minimised.requires_grad());
}

}  // namespace
}  // namespace strata
