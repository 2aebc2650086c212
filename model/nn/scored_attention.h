#pragma once
// ScoredAttention: softmax(scores + mask) v, with the scores of a ScoreTerm. No
// parameters. Stable for any finite score. Thread-safe.

#include <torch/torch.h>

#include "model/nn/attention_plan.h"
#include "model/nn/attention_watcher.h"
#include "model/nn/score_term.h"

namespace strata {

class ScoredAttention {
 public:
  // q [rows, Q, H, K]; k, v [rows, N, H, K]; `mask` broadcasts over [rows, H, Q, N]: of
  // bool, true where seen, or added to the scores; or undefined. `distance`: see
  // score_term.h. Returns [rows, Q, H, K].
  static torch::Tensor Attend(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, const torch::Tensor& mask,
                              const torch::Tensor& distance, ScoreTermImpl& term);
  // The same for one chunk of queries over all keys of its chunk. `watcher` may be
  // null; else queries are taken a few at a time.
  static torch::Tensor Attend(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, const AttentionPlan& plan,
                              ScoreTermImpl& term, AttentionWatcher* watcher);

 private:
  // [rows, H, Q, N]; each row sums to 1.
  static torch::Tensor Weights(const torch::Tensor& q, const torch::Tensor& k,
                               const torch::Tensor& mask,
                               const torch::Tensor& distance, ScoreTermImpl& term);
};

}  // namespace strata
