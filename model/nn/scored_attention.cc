#include "model/nn/scored_attention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "model/nn/explicit_attention.h"

namespace strata {

namespace {

// Query's item minus key's of the chunks of a plan: [chunk, keys], or one for each
// chunk where the plan keeps items.
torch::Tensor Distances(const AttentionPlan& plan, const torch::Device& device) {
  const auto count = [&](int64_t begin, int64_t end) {
    return torch::arange(begin, end,
                         torch::TensorOptions().dtype(torch::kLong).device(device));
  };
  // Near key s of a chunk is item s - look_back of it.
  const auto near = (count(plan.look_back, plan.near_keys()).unsqueeze(1) -
                     count(0, plan.near_keys()).unsqueeze(0)) *
                    plan.phases;
  if (plan.kept == 0) return near;
  const auto queries =
      count(0, plan.chunks() * plan.chunk).view({1, plan.chunks(), plan.chunk, 1});
  const auto kept =
      queries - plan.kept_index.view({plan.batch, 1, 1, plan.kept});
  const int64_t rows = plan.batch * plan.chunks();
  return at::cat({kept.reshape({rows, plan.chunk, plan.kept}),
                  near.expand({rows, -1, -1})},
                 2);
}

}  // namespace

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
  const auto distance = Distances(plan, q.device());
  const auto mask = plan.causal ? distance >= 0 : plan.mask;
  if (watcher == nullptr) return Attend(q, k, v, mask, distance, term);
  const int64_t n = q.size(1);
  const int64_t slice = QueriesAtATime(q.size(0) * q.size(2), k.size(1));
  std::vector<torch::Tensor> mixed;
  for (int64_t first = 0; first < n; first += slice) {
    const int64_t count = std::min(slice, n - first);
    const auto of_these = [&](const torch::Tensor& t) {
      return t.defined() ? t.narrow(-2, first, count) : t;
    };
    const auto weights = Weights(q.narrow(1, first, count), k, of_these(mask),
                                 of_these(distance), term);
    watcher->OnWeights(plan, first, weights);
    mixed.push_back(at::matmul(weights, v.transpose(1, 2)).transpose(1, 2));
  }
  return at::cat(mixed, 1);
}

}  // namespace strata
