#pragma once
// AttentionWatcher: is told what the softmax of an AttentionLayer or of a bridge gave to
// each key, while it computes with those very weights. A layer that nobody watches
// never forms them (scaled_dot_product_attention keeps them to itself).
//
// Plans say which items the places of a tensor are: key s of chunk c in
// model/nn/attention_plan.h, rows of leaves in model/nn/tree_plan.h.

#include <torch/torch.h>

#include "model/nn/attention_plan.h"
#include "model/nn/tree_plan.h"

namespace strata {

class AttentionWatcher {
 public:
  virtual ~AttentionWatcher() = default;

  // `weights` [batch * chunks, H, q, keys]: of the queries [first, first + q) of
  // every chunk. In order of `first`.
  virtual void OnWeights(const AttentionPlan& plan, int64_t first,
                         const torch::Tensor& weights) = 0;
  // `weights` [leaves, H, q, seen * summaries + leaf], likewise of every leaf.
  virtual void OnTreeWeights(const TreePlan& plan, int64_t first,
                             const torch::Tensor& weights) = 0;
  // `weights` [batch, H, q, keys]: what the items from `query` on gave to those from `key`
  // on in a memory of neighbours, after OnWeights of the same pass, which then told what
  // is left of each query's weight. Layers without one never call it.
  virtual void OnNeighbourWeights(int64_t /*query*/, int64_t /*key*/,
                                  const torch::Tensor& /*weights*/) {}
  // `weights` [batch, H, items, W]: what each item gave to `contexts` [batch, items, W] of
  // the level above; 0 to those that it does not see. A bridge that attends
  // (model/nn/bridge_attention.h) calls this alone, once a pass; layers never do.
  virtual void OnContextWeights(const torch::Tensor& /*contexts*/,
                                const torch::Tensor& /*weights*/) {}
};

}  // namespace strata
