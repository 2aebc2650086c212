#pragma once
// The held-out loss: dropout off, rows as in training but in the order of the documents,
// at most eval_max_items items; a memory that the model carries begins empty.
// Thread-compatible.

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/chat_template.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/hierarchy/segment_memory.h"
#include "model/tokenizer.h"
#include "model/train/batcher.h"
#include "model/train/row_source.h"
#include "model/trainer.h"

namespace strata {

struct EvalOptions {
  int64_t max_items = 65536;  // real items; at least one row is looked at
  int64_t rows = 8;           // rows of a forward pass
  BatcherOptions batcher;     // its shuffle and shift_cuts are ignored
  const Tokenizer* tokenizer = ByteTokenizer().get();  // of the model
};

// `poll` runs before every forward pass; what it returns ends the evaluation.
// Bits per byte count text only, by its bytes, however many an item stands for:
// neither the loss of a special item nor its place, nor what an n-gram head loses:
// that is told beside it. The model is left in training mode. NaN losses are reported
// as such.
absl::StatusOr<TrainEval> Evaluate(HierarchicalTransformer& model,
                                   absl::Span<const Document> held_out,
                                   const EvalOptions& options,
                                   const std::function<absl::Status()>& poll);

// What it runs over: `each` is told each batch in turn, with the memory that its rows
// carry or null, and may end it; the model is in evaluation mode meanwhile.
absl::Status ForHeldOutBatches(
    HierarchicalTransformer& model, absl::Span<const Document> held_out,
    const EvalOptions& options, const std::function<absl::Status()>& poll,
    const std::function<absl::Status(const Batch&, SegmentMemory*)>& each);

}  // namespace strata
