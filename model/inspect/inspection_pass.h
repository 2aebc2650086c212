#pragma once
// InspectPass: one forward pass of a model with its attention watched where the
// selection says. What is watched mixes with the very weights that are told
// (model/nn/attention_watcher.h), so they are those of this prediction; the pass
// equals the ordinary one but for rounding. Single owner thread; errors are
// exceptions.

#include <torch/torch.h>

#include <vector>

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/inspector.h"
#include "model/tokenizer.h"

namespace strata {

struct InspectedPass {
  torch::Tensor logits;  // [1, n + 1, V]: row i predicts item i
  std::vector<LevelActivations> activations;
  Inspection inspection;
};

// `fed`: one marker and a text of at least one item. No gradient.
InspectedPass InspectPass(HierarchicalTransformer model,
                          const std::vector<int64_t>& fed,
                          const std::vector<LevelSelection>& selection,
                          int top_k,
                          const Tokenizer& tokenizer = *ByteTokenizer());

}  // namespace strata
