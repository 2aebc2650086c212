#include "model/nn/rope.h"

#include <algorithm>

namespace strata {

torch::Tensor ApplyRope(const torch::Tensor& x, const RopeTables& tables) {
  const auto halves = x.chunk(2, -1);
  const auto cos = tables.cos.unsqueeze(1);  // [n, 1, K / 2], over the heads
  const auto sin = tables.sin.unsqueeze(1);
  return at::cat({halves[0] * cos - halves[1] * sin,
                  halves[1] * cos + halves[0] * sin},
                 -1);
}

RopeCache::RopeCache(int64_t head_dim, double theta)
    : head_dim_(head_dim), theta_(theta) {}

RopeTables RopeCache::Get(int64_t n, const torch::TensorOptions& options) {
  const bool fits = cached_.cos.defined() && cached_.cos.size(0) >= n &&
                    cached_.cos.dtype() == options.dtype() &&
                    cached_.cos.device() == options.device();
  if (!fits) {
    torch::NoGradGuard no_grad;
    const int64_t rows = std::max<int64_t>(n, 64);
    const auto f64 = torch::TensorOptions().dtype(torch::kDouble);
    const auto exponent = torch::arange(0, head_dim_, 2, f64) / head_dim_;
    const auto rate = at::pow(theta_, -exponent);
    const auto angle = at::outer(torch::arange(rows, f64), rate);
    cached_.cos = angle.cos().to(options);
    cached_.sin = angle.sin().to(options);
  }
  return {cached_.cos.narrow(0, 0, n), cached_.sin.narrow(0, 0, n)};
}

}  // namespace strata
