#include "model/nn/rope.h"

#include <algorithm>

namespace strata {

torch::Tensor ApplyRope(const torch::Tensor& x, const RopeTables& tables) {
  const auto halves = x.chunk(2, -1);
  const auto cos = tables.cos.unsqueeze(-2);  // [.., n, 1, K / 2], over the heads
  const auto sin = tables.sin.unsqueeze(-2);
  return at::cat({halves[0] * cos - halves[1] * sin,
                  halves[1] * cos + halves[0] * sin},
                 -1)
      .to(x.scalar_type());
}

RopeCache::RopeCache(int64_t head_dim, double theta)
    : head_dim_(head_dim), theta_(theta) {}

RopeTables RopeCache::Get(int64_t n, const torch::TensorOptions& options) {
  if (!Covers(cached_, n, options)) {
    const RopeTables exact =
        Angles(0, std::max<int64_t>(n, 64), head_dim_, theta_);
    cached_ = {exact.cos.to(options), exact.sin.to(options)};
  }
  return FirstRows(cached_, n);
}

RopeTables Angles(int64_t low, int64_t rows, int64_t width, double theta) {
  torch::NoGradGuard no_grad;
  const auto f64 = torch::TensorOptions().dtype(torch::kDouble);
  const auto exponent = torch::arange(0, width, 2, f64) / width;
  const auto rate = at::pow(theta, -exponent);
  const auto angle = at::outer(torch::arange(low, low + rows, f64), rate);
  return {angle.cos(), angle.sin()};
}

bool Covers(const RopeTables& tables, int64_t n,
            const torch::TensorOptions& options) {
  return tables.cos.defined() && tables.cos.size(0) >= n &&
         tables.cos.dtype() == options.dtype() &&
         tables.cos.device() == options.device();
}

RopeTables FirstRows(const RopeTables& tables, int64_t n) {
  return {tables.cos.narrow(0, 0, n), tables.sin.narrow(0, 0, n)};
}

}  // namespace strata
