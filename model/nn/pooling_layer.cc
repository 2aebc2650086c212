#include "model/nn/pooling_layer.h"

#include <cmath>

namespace strata {

PoolingLayerImpl::PoolingLayerImpl(int64_t dim, int64_t heads, int64_t block,
                                   int64_t dim_above)
    : dim_(dim),
      heads_(heads),
      block_(block),
      dim_above_(dim_above),
      norm_(register_module("norm", RmsNorm(dim))),
      key_(register_module("key", Linear(dim, dim))),
      value_(register_module("value", Linear(dim, dim))),
      out_(register_module("out", Linear(dim, dim_above))),
      offset_(register_parameter("offset", torch::zeros({block, dim}))),
      query_(register_parameter("query", torch::zeros({dim}))) {}

torch::Tensor PoolingLayerImpl::forward(const torch::Tensor& h) {
  const int64_t batch = h.size(0);
  const int64_t blocks = h.size(1) / block_;
  if (blocks == 0) return h.new_zeros({batch, 0, dim_above_});
  const int64_t head_dim = dim_ / heads_;
  const int64_t rows = batch * blocks;

  const auto whole = h.narrow(1, 0, blocks * block_)
                         .reshape({rows, block_, dim_});
  const auto g = norm_->forward(whole) + offset_;
  // query . (key g) = (key^T query) . g, one row per head.
  const auto query_key = (key_->weight.view({heads_, head_dim, dim_}) *
                          query_.view({heads_, head_dim, 1}))
                             .sum(1) /
                         std::sqrt(static_cast<double>(head_dim));
  const auto scores = at::linear(g, query_key).transpose(1, 2);
  const auto mean = at::bmm(scores.softmax(-1), g);  // [rows, heads, dim]
  const auto value = value_->weight.view({heads_, head_dim, dim_});
  const auto pooled = at::bmm(mean.transpose(0, 1), value.transpose(1, 2))
                          .transpose(0, 1)
                          .reshape({batch, blocks, dim_});
  return out_->forward(pooled);
}

}  // namespace strata
