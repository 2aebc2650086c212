#include "model/nn/attention_layer.h"

#include "model/nn/fold_heads.h"
#include "model/nn/full_attention.h"

namespace strata {

AttentionLayerImpl::AttentionLayerImpl(int64_t dim, int64_t heads)
    : heads_(heads),
      norm_(register_module("norm", RmsNorm(dim))),
      qkv_(register_module("qkv", Linear(dim, 3 * dim))),
      out_(register_module("out", Linear(dim, dim))) {}

torch::Tensor AttentionLayerImpl::forward(const torch::Tensor& x,
                                          const AttentionPlan& plan) {
  const FoldedHeads heads = FoldHeads(qkv_->forward(norm_->forward(x)), heads_, plan);
  const auto mixed = FullAttention::Attend(heads.q, heads.k, heads.v, plan);
  return out_->forward(UnfoldQueries(mixed, plan));
}

}  // namespace strata
