#include "model/train/language_loss.h"

#include <vector>

#include "model/hierarchy/item_loss.h"
#include "model/items.h"
#include "model/nn/adaptive_span.h"

namespace strata {

TaskLoss LanguageLossSums(HierarchicalTransformer model,
                          const BatchTensors& rows, double ngram_weight,
                          const BlockTerm& block, double span_weight) {
  const LevelConfig& bytes = model->config().levels[0];
  const bool routed = bytes.block_rule == BlockRule::kRouter;
  std::vector<LevelActivations> levels;
  const auto contexts = PredictingContexts(model, rows.items, rows.segments,
                                           block.weight > 0 || routed ? &levels : nullptr);
  const auto loss_of = [&](int head) {
    return HeadLossSum(model, contexts, rows.items, rows.trained, rows.segments,
                       head);
  };
  TaskLoss sums;
  sums.reported = loss_of(0);
  sums.minimised = sums.reported;
  const int heads = ngram_weight > 0 ? model->config().ngram_heads : 0;
  for (int head = 1; head <= heads; ++head) {
    sums.minimised = sums.minimised + ngram_weight * loss_of(head);
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
  if (span_weight > 0) {
    const auto span = MeanSpan(*model);
    if (span.defined()) {
      sums.minimised = sums.minimised +
                       span_weight * rows.trained.sum().item<double>() * span;
    }
  }
  return sums;
}

}  // namespace strata
