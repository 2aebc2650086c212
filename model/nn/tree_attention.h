#pragma once
// TreeAttention: hierarchical attention over a binary tree. Each item attends, in
// one softmax, to its leaf up to itself (keys turned by their offset in the leaf)
// and to the summaries of the nodes that cover everything before the leaf, so it
// sees the whole past through O(leaf + m log n) keys.
//
//   scores = q [k_nodes ; k_leaf] / sqrt(K)      q turned by its offset
//   mixed  = softmax(scores) [v_nodes ; v_leaf]
//
// No parameters beside those of TreeSummary. Thread-compatible.

#include <torch/torch.h>

#include "model/nn/attention_watcher.h"
#include "model/nn/tree_plan.h"
#include "model/nn/tree_summary.h"

namespace strata {

class TreeAttention {
 public:
  // qkv [B, n, 3 D] -> mixed values [B, n, D]. `watcher` may be null.
  static torch::Tensor Attend(const torch::Tensor& qkv, int64_t heads,
                              const TreePlan& plan, TreeSummaryImpl& summary,
                              const NodeMatrices& matrices,
                              AttentionWatcher* watcher = nullptr);
};

}  // namespace strata
