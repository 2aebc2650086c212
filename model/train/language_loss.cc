#include "model/train/language_loss.h"

#include <algorithm>
#include <vector>

#include "model/hierarchy/item_loss.h"
#include "model/items.h"
#include "model/nn/adaptive_span.h"
#include "model/train/exit_loss.h"

namespace strata {
namespace {

bool Ponders(const ModelConfig& config) {
  return std::any_of(config.levels.begin(), config.levels.end(),
                     [](const LevelConfig& level) { return level.ponder > 0; });
}

// What the repeats of all items cost, each level's by its own weight.
torch::Tensor PonderCost(const ModelConfig& config,
                         const std::vector<LevelActivations>& levels) {
  torch::Tensor cost;
  for (size_t l = 0; l < levels.size(); ++l) {
    for (const StackDepth& depth : {levels[l].enc_depth, levels[l].dec_depth}) {
      // A text may be too short for an item of the level.
      if (!depth.ponder.defined() || depth.ponder.numel() == 0) continue;
      const auto term = config.levels[l].ponder * depth.ponder.mean();
      cost = cost.defined() ? cost + term : term;
    }
  }
  return cost;
}

}  // namespace

torch::Tensor RowContexts(HierarchicalTransformer model, const BatchTensors& rows,
                          SegmentMemory* memory,
                          std::vector<LevelActivations>* activations) {
  if (memory == nullptr) {
    return PredictingContexts(model, rows.items, rows.segments, activations);
  }
  return model->SegmentContexts(rows.items, rows.segments, rows.continues, memory,
                                activations);
}

TaskLoss LanguageLossSums(HierarchicalTransformer model,
                          const BatchTensors& rows, const LossTerms& terms,
                          SegmentMemory* memory) {
  const LevelConfig& bytes = model->config().levels[0];
  const BlockTerm& block = terms.block;
  const bool routed = bytes.block_rule == BlockRule::kRouter;
  const bool ponders = Ponders(model->config());
  const bool leaves = bytes.exits > 0;
  const ShutExits all_pass(model);
  std::vector<LevelActivations> levels;
  const auto contexts =
      RowContexts(model, rows, memory,
                  block.weight > 0 || routed || ponders || leaves ? &levels : nullptr);
  const auto loss_of = [&](int head) {
    return HeadLossSum(model, contexts, rows.items, rows.trained, rows.segments,
                       head);
  };
  TaskLoss sums;
  sums.reported = loss_of(0);
  sums.minimised = sums.reported;
  if (leaves) {
    const ExitLoss exits = ExitLossSums(model, levels[0].dec_depth.states, rows);
    sums.minimised = exits.layers + exits.judges;
  }
  const int heads = terms.ngram_weight > 0 ? model->config().ngram_heads : 0;
  for (int head = 1; head <= heads; ++head) {
    sums.minimised = sums.minimised + terms.ngram_weight * loss_of(head);
  }
  if (block.weight > 0) {
    sums.minimised =
        sums.minimised +
        block.weight * block.predictor->LossSum(levels, rows.trained);
  }
  if (routed) {
    const auto counted =
        levels[0].end_counted & (rows.items.slice(1, 0, -1) != kPad);
    sums.minimised = sums.minimised +
                     kRatioWeight * rows.trained.sum().item<double>() *
                         RatioLoss(levels[0].end_p, levels[0].units.ends, counted,
                                   bytes.block_mean);
  }
  const auto span = terms.span_weight > 0 ? MeanSpan(*model) : torch::Tensor();
  if (span.defined()) {
    sums.minimised = sums.minimised +
                     terms.span_weight * rows.trained.sum().item<double>() * span;
  }
  if (ponders) {
    sums.minimised = sums.minimised + rows.trained.sum().item<double>() *
                                          PonderCost(model->config(), levels);
  }
  return sums;
}

}  // namespace strata
