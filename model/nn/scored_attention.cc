#include "model/nn/scored_attention.h"

#include <limits>

namespace strata {

torch::Tensor ScoredAttention::Weights(const torch::Tensor& q,
                                       const torch::Tensor& k,
                                       const torch::Tensor& mask,
                                       const torch::Tensor& distance,
                                       ScoreTermImpl& term) {
  auto scores = term.Scores(q.transpose(1, 2), k.transpose(1, 2), distance);
  if (mask.defined()) {
    scores = mask.scalar_type() == torch::kBool
                 ? scores.masked_fill(mask.logical_not(),
                                      -std::numeric_limits<double>::infinity())
                 : scores + mask;
  }
  return scores.softmax(-1);
}

torch::Tensor ScoredAttention::Attend(const torch::Tensor& q,
                                      const torch::Tensor& k,
                                      const torch::Tensor& v,
                                      const torch::Tensor& mask,
                                      const torch::Tensor& distance,
                                      ScoreTermImpl& term) {
  return at::matmul(Weights(q, k, mask, distance, term), v.transpose(1, 2))
      .transpose(1, 2);
}

torch::Tensor ScoredAttention::Attend(const torch::Tensor& q,
                                      const torch::Tensor& k,
                                      const torch::Tensor& v,
                                      const AttentionPlan& plan,
                                      ScoreTermImpl& term,
                                      AttentionWatcher* watcher) {
  // Key slot s of a chunk is item s - look_back of it.
  const auto at = torch::TensorOptions().dtype(torch::kLong).device(q.device());
  const auto distance = torch::arange(plan.look_back, plan.keys(), at).unsqueeze(1) -
                        torch::arange(plan.keys(), at).unsqueeze(0);
  const auto weights =
      Weights(q, k, plan.causal ? distance >= 0 : plan.mask, distance, term);
  if (watcher != nullptr) watcher->OnWeights(plan, 0, weights);
  return at::matmul(weights, v.transpose(1, 2)).transpose(1, 2);
}

}  // namespace strata
