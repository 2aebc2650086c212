#include "model/nn/attention_pool.h"

#include <cmath>

namespace strata {

AttentionPoolImpl::AttentionPoolImpl(const LevelConfig& level,
                                     int64_t dim_above)
    : PoolingLayerImpl(level, dim_above),
      key_(register_module("key", Linear(level.dim, level.dim))),
      value_(register_module("value", Linear(level.dim, level.dim))),
      offset_(register_parameter("offset",
                                 torch::zeros({level.block, level.dim}))),
      query_(register_parameter("query", torch::zeros({level.dim}))) {}

torch::Tensor AttentionPoolImpl::Attend(const torch::Tensor& marked) {
  const int64_t dim = level_.dim;
  const int64_t heads = level_.heads;
  const int64_t head_dim = dim / heads;
  // query . (key g) = (key^T query) . g, one row per head.
  const auto query_key = (key_->weight.view({heads, head_dim, dim}) *
                          query_.view({heads, head_dim, 1}))
                             .sum(1) /
                         std::sqrt(static_cast<double>(head_dim));
  return at::linear(marked, query_key).transpose(1, 2).softmax(-1);
}

torch::Tensor AttentionPoolImpl::Weights(const torch::Tensor& normed) {
  return Attend(normed + offset_);
}

torch::Tensor AttentionPoolImpl::Mix(const torch::Tensor& normed) {
  const int64_t dim = level_.dim;
  const int64_t heads = level_.heads;
  const auto g = normed + offset_;
  const auto mean = at::bmm(Attend(g), g);  // [units, heads, dim]
  const auto value = value_->weight.view({heads, dim / heads, dim});
  return at::bmm(mean.transpose(0, 1), value.transpose(1, 2))
      .transpose(0, 1)
      .reshape({g.size(0), dim});
}

}  // namespace strata
