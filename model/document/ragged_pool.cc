#include "model/document/ragged_pool.h"

#include <cmath>

namespace strata {

RaggedPoolImpl::RaggedPoolImpl(int64_t dim, int64_t heads,
                                     int64_t dim_above)
    : dim_(dim),
      heads_(heads),
      norm_(register_module("norm", RmsNorm(dim))),
      key_(register_module("key", Linear(dim, dim))),
      value_(register_module("value", Linear(dim, dim))),
      out_(register_module("out", Linear(dim, dim_above))),
      query_(register_parameter("query", torch::zeros({dim}))) {}

Pooled RaggedPoolImpl::forward(const torch::Tensor& h,
                                  const torch::Tensor& mask) {
  const int64_t head_dim = dim_ / heads_;
  const auto g = norm_->forward(h);
  // query . (key g) = (key^T query) . g, one row per head.
  const auto query_key = (key_->weight.view({heads_, head_dim, dim_}) *
                          query_.view({heads_, head_dim, 1}))
                             .sum(1) /
                         std::sqrt(static_cast<double>(head_dim));
  const auto scores = at::linear(g, query_key).transpose(1, 2) + mask;
  const auto weights = scores.softmax(-1);   // [R, H, n]
  const auto mean = at::bmm(weights, g);     // [R, H, D]
  const auto value = value_->weight.view({heads_, head_dim, dim_});
  const auto pooled = at::bmm(mean.transpose(0, 1), value.transpose(1, 2))
                          .transpose(0, 1)
                          .reshape({h.size(0), dim_});
  return {out_->forward(pooled), weights.mean(1)};
}

}  // namespace strata
