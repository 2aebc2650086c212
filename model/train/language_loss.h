#pragma once
// What training a language model minimises, of some rows: the loss of the ordinary
// head, and with a weight those of the n-gram heads.
//
//   minimised = loss + ngram_weight * sum over heads k of loss_k
//
// Each is a sum over the items that the head learns (model/hierarchy/item_loss.h).
// Divided by the trained items of a step, that is the same for any split of the step
// into micro-batches. Thread-compatible; errors are exceptions.

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/train/batch_tensors.h"
#include "model/train/train_task.h"

namespace strata {

// `reported`: that of the ordinary head alone.
TaskLoss LanguageLossSums(HierarchicalTransformer model,
                          const BatchTensors& rows, double ngram_weight);

}  // namespace strata
