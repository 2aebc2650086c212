#include "model/nn/attention_layer.h"

#include <utility>

#include "model/nn/fold_heads.h"
#include "model/nn/full_attention.h"
#include "model/nn/linear_attention.h"
#include "model/nn/scored_attention.h"
#include "model/nn/tree_attention.h"

namespace strata {

AttentionLayerImpl::AttentionLayerImpl(int64_t dim, int64_t heads,
                                       const TreeShape& tree,
                                       std::shared_ptr<ScoreTermImpl> term,
                                       std::shared_ptr<BucketRuleImpl> rule)
    : heads_(heads),
      norm_(register_module("norm", RmsNorm(dim))),
      qkv_(register_module("qkv", Linear(dim, 3 * dim))),
      out_(register_module("out", Linear(dim, dim))) {
  if (tree.leaf > 0) tree_ = register_module("tree", TreeSummary(dim, tree));
  if (term != nullptr) term_ = register_module("position", std::move(term));
  if (rule != nullptr) rule_ = register_module("buckets", std::move(rule));
}

torch::Tensor AttentionLayerImpl::forward(const torch::Tensor& x,
                                          const AttentionPlan& plan,
                                          const torch::Tensor& past) {
  const bool follows = past.defined() && past.size(1) > 0;
  return Apply(follows ? at::cat({past, x}, 1) : x, [&](const torch::Tensor& qkv) {
    const auto mixed = Attend(qkv, plan);
    return follows ? mixed.narrow(1, past.size(1), x.size(1)) : mixed;
  });
}

torch::Tensor AttentionLayerImpl::Attend(const torch::Tensor& qkv,
                                         const AttentionPlan& plan) {
  const FoldedHeads heads = FoldHeads(qkv, heads_, plan);
  if (plan.bucketed) {
    return UnfoldQueries(
        BucketAttention::Attend(heads.q, heads.k, heads.v,
                                ChooseBuckets(*rule_, heads.q, heads.k), plan.documents,
                                plan.causal),
        plan);
  }
  if (plan.summed) {
    return UnfoldQueries(
        LinearAttention::Attend(heads.q, heads.k, heads.v, plan, watcher_), plan);
  }
  return UnfoldQueries(
      term_ == nullptr ? FullAttention::Attend(heads.q, heads.k, heads.v, plan,
                                               watcher_)
                       : ScoredAttention::Attend(heads.q, heads.k, heads.v, plan,
                                                 *term_, watcher_),
      plan);
}

torch::Tensor AttentionLayerImpl::forward(const torch::Tensor& x,
                                          const TreePlan& plan) {
  return Apply(x, [&](const torch::Tensor& qkv) {
    return TreeAttention::Attend(qkv, heads_, plan, *tree_, node_matrices(),
                                 watcher_);
  });
}

NodeMatrices AttentionLayerImpl::node_matrices() const {
  const int64_t dim = out_->weight.size(0);
  return {qkv_->weight.narrow(0, dim, 2 * dim), out_->weight};
}

torch::Tensor AttentionLayerImpl::Apply(const torch::Tensor& x,
                                        AttendFunction attend) {
  return out_->forward(attend(qkv_->forward(norm_->forward(x))));
}

}  // namespace strata
