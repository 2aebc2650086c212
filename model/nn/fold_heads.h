#pragma once
// FoldHeads: from the joint projection to what attention reads. Splits q, k and
// v, turns q and k by their positions, and folds items into the chunks of the
// plan, keys with the kept ones and their look-back. Differentiable. Thread-safe.

#include <torch/torch.h>

#include "model/nn/attention_plan.h"

namespace strata {

struct FoldedHeads {
  torch::Tensor q;  // [batch * chunks, chunk, H, K]
  torch::Tensor k;  // [batch * chunks, keys, H, K]
  torch::Tensor v;  // as k
};

// qkv: [batch, n, 3 * H * K].
FoldedHeads FoldHeads(const torch::Tensor& qkv, int64_t heads,
                      const AttentionPlan& plan);

// Undoes the fold of queries: [batch * chunks, chunk, H, K] -> [batch, n, H * K].
torch::Tensor UnfoldQueries(const torch::Tensor& folded,
                            const AttentionPlan& plan);

}  // namespace strata
