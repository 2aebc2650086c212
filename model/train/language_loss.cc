#include "model/train/language_loss.h"

#include "model/hierarchy/item_loss.h"

namespace strata {

TaskLoss LanguageLossSums(HierarchicalTransformer model,
                          const BatchTensors& rows, double ngram_weight) {
  const auto contexts = PredictingContexts(model, rows.items, rows.segments);
  const auto loss_of = [&](int head) {
    return HeadLossSum(model, contexts, rows.items, rows.trained, rows.segments,
                       head);
  };
  TaskLoss sums;
  sums.reported = loss_of(0);
  sums.minimised = sums.reported;
  if (ngram_weight == 0) return sums;
  for (int head = 1; head <= model->config().ngram_heads; ++head) {
    sums.minimised = sums.minimised + ngram_weight * loss_of(head);
  }
  return sums;
}

}  // namespace strata
