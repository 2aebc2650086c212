#pragma once
// FullAttention: softmax(q k / sqrt(K) + mask) v of one chunk of queries over
// all keys of its chunk. No parameters. Stable for any finite score: the
// maximum is subtracted before exp. Thread-safe.

#include <torch/torch.h>

#include "model/nn/attention_plan.h"
#include "model/nn/attention_watcher.h"

namespace strata {

class FullAttention {
 public:
  // q [rows, chunk, H, K]; k, v [rows, keys, H, K]; rows = batch * chunks.
  // Returns [rows, chunk, H, K]. `watcher` may be null.
  static torch::Tensor Attend(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v,
                              const AttentionPlan& plan,
                              AttentionWatcher* watcher = nullptr);
};

}  // namespace strata
