#include "model/nn/feed_forward.h"

namespace strata {

FeedForwardImpl::FeedForwardImpl(int64_t dim, int64_t hidden)
    : norm_(register_module("norm", RmsNorm(dim))),
      up_(register_module("up", Linear(dim, hidden))),
      down_(register_module("down", Linear(hidden, dim))) {}

torch::Tensor FeedForwardImpl::forward(const torch::Tensor& x) {
  const auto hidden = at::gelu(up_->forward(norm_->forward(x)), "tanh");
  return down_->forward(hidden);
}

}  // namespace strata
