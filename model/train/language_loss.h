#pragma once
// What training a language model minimises, of some rows: the loss of the ordinary
// head, and with their weights those of the n-gram heads and of next-block prediction.
//
//   minimised = loss + ngram_weight * sum over heads k of loss_k + block_weight * block
//             + kRatioWeight * items * ratio           where a router ends the units
//             + span_weight * items * mean z           where heads learn their spans
//             + items * sum over levels of ponder * their cost    where items halt
//
// Where items may leave early, `loss` is that of all layers that they may leave after, and
// of their judges (model/train/exit_loss.h).
//
// Each is a sum over the items that are learnt (model/hierarchy/item_loss.h,
// model/train/block_prediction.h, RatioLoss of model/nn/router.h, MeanSpan of
// model/nn/adaptive_span.h); the cost is the mean of `ponder` (model/nn/halting_unit.h)
// over all items of a stack, padding among them, of the encoder and of the decoder.
// Divided by the trained items of a step, the sums of micro-batches add up to that of the
// step, the variance term of `block`, the ratio and the cost, which are of a forward pass,
// aside. Thread-compatible; errors are exceptions.

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/hierarchy/segment_memory.h"
#include "model/train/batch_tensors.h"
#include "model/train/block_prediction.h"
#include "model/train/train_task.h"

namespace strata {

inline constexpr double kRatioWeight = 0.03;  // the paper's

struct BlockTerm {
  double weight = 0;
  BlockPredictorImpl* predictor = nullptr;  // REQUIRES: one where weight > 0
};

// The weights of what is minimised beside the loss.
struct LossTerms {
  double ngram_weight = 0;
  BlockTerm block;
  double span_weight = 0;
};

// The contexts that predict the items of rows. `memory`: null, or what the rows carry,
// which then holds what their next ones need.
torch::Tensor RowContexts(HierarchicalTransformer model, const BatchTensors& rows,
                          SegmentMemory* memory,
                          std::vector<LevelActivations>* activations = nullptr);

// `reported`: that of the ordinary head alone. `memory` as above.
TaskLoss LanguageLossSums(HierarchicalTransformer model,
                          const BatchTensors& rows, const LossTerms& terms,
                          SegmentMemory* memory = nullptr);

}  // namespace strata
