#include "model/nn/router.h"

#include "model/unit_rule.h"

namespace strata {

RouterImpl::RouterImpl(int64_t dim)
    : dim_(dim),
      weight_(register_parameter("weight", torch::zeros({2 * dim, dim}))) {}

torch::Tensor RouterImpl::forward(const torch::Tensor& h,
                                  const torch::Tensor& begins) {
  const int64_t n = h.size(1);
  if (n == 0) return h.new_zeros({h.size(0), 0});
  const auto both = Project(h);
  const auto query = both.slice(2, 0, dim_).slice(1, 0, n - 1);
  const auto key = both.slice(2, dim_).slice(1, 1);
  const auto p =
      at::constant_pad_nd(Probability(query, key), {1, 0}, 0);
  return p.masked_fill(begins, 0);
}

torch::Tensor RouterImpl::Probability(const torch::Tensor& query,
                                      const torch::Tensor& key) {
  const auto norms = (query * query).sum(-1) * (key * key).sum(-1);
  const auto cosine = (query * key).sum(-1) / norms.clamp_min(kLeastRouterNorms).sqrt();
  return (1 - cosine) / 2;
}

// Composes the steps s -> a s + b over ever longer stretches: log2(U) rounds.
torch::Tensor Smoothed(const torch::Tensor& o, const torch::Tensor& share) {
  auto a = (1 - share).unsqueeze(-1);
  auto b = o * share.unsqueeze(-1);
  for (int64_t back = 1; back < o.size(1); back *= 2) {
    const auto tail = a.slice(1, back);
    b = at::cat({b.slice(1, 0, back), b.slice(1, back) + tail * b.slice(1, 0, -back)},
                1);
    a = at::cat({a.slice(1, 0, back), tail * a.slice(1, 0, -back)}, 1);
  }
  return b;
}

torch::Tensor Confidence(const torch::Tensor& p, const torch::Tensor& free) {
  const auto chosen = at::where(free, at::where(p >= kRouterEven, p, 1 - p), 1.0);
  return 1 + (chosen - chosen.detach());
}

torch::Tensor RatioLoss(const torch::Tensor& p, const torch::Tensor& ends,
                        const torch::Tensor& counted, int mean_length) {
  const auto weight = counted.to(p.scalar_type());
  const auto items = weight.sum().clamp_min(1);
  const auto f = (ends.to(p.scalar_type()) * weight).sum() / items;
  const auto g = (p * weight).sum() / items;
  const double n = mean_length;
  return n / (n - 1) * ((n - 1) * f * g + (1 - f) * (1 - g));
}

}  // namespace strata
