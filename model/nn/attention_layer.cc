#include "model/nn/attention_layer.h"

#include <utility>

#include "model/nn/fold_heads.h"
#include "model/nn/full_attention.h"
#include "model/nn/linear_attention.h"
#include "model/nn/scored_attention.h"
#include "model/nn/shared_watcher.h"
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
  const int64_t before = past.defined() ? past.size(1) : 0;
  return Apply(before > 0 ? at::cat({past, x}, 1) : x,
               [&](const torch::Tensor& qkv, const torch::Tensor& normed) {
                 const auto mixed = memory_.is_empty()
                                        ? Attend(qkv, plan, watcher_)
                                        : AttendAndLookUp(qkv, normed, plan, before);
                 return before > 0 ? mixed.narrow(1, before, x.size(1)) : mixed;
               });
}

void AttentionLayerImpl::AddMemory(KnnMemory memory) {
  memory_ = register_module("knn", std::move(memory));
}

torch::Tensor AttentionLayerImpl::AttendAndLookUp(const torch::Tensor& qkv,
                                                  const torch::Tensor& normed,
                                                  const AttentionPlan& plan,
                                                  int64_t first) {
  const auto share = memory_->Share(
      normed, memory_->Reaches(plan.items, plan.documents, normed));
  torch::Tensor local;
  if (watcher_ == nullptr) {
    local = Attend(qkv, plan, nullptr);
  } else {
    SharedWatcher rest((1 - share).expand({plan.batch, plan.items, heads_}), watcher_);
    local = Attend(qkv, plan, &rest);
  }
  return memory_->forward(local, qkv, share, plan.documents, first, watcher_);
}

torch::Tensor AttentionLayerImpl::Attend(const torch::Tensor& qkv,
                                         const AttentionPlan& plan,
                                         AttentionWatcher* watcher) {
  const FoldedHeads heads = FoldHeads(qkv, heads_, plan);
  if (plan.bucketed) {
    return UnfoldQueries(
        BucketAttention::Attend(heads.q, heads.k, heads.v,
                                ChooseBuckets(*rule_, heads.q, heads.k, plan.documents),
                                plan.documents, plan.causal),
        plan);
  }
  if (plan.summed) {
    return UnfoldQueries(
        LinearAttention::Attend(heads.q, heads.k, heads.v, plan, watcher), plan);
  }
  return UnfoldQueries(
      term_ == nullptr ? FullAttention::Attend(heads.q, heads.k, heads.v, plan,
                                               watcher)
                       : ScoredAttention::Attend(heads.q, heads.k, heads.v, plan,
                                                 *term_, watcher),
      plan);
}

torch::Tensor AttentionLayerImpl::forward(const torch::Tensor& x,
                                          const TreePlan& plan) {
  return Apply(x, [&](const torch::Tensor& qkv, const torch::Tensor&) {
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
  const auto normed = norm_->forward(x);
  return out_->forward(attend(qkv_->forward(normed), normed));
}

}  // namespace strata
