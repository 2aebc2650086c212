#include "model/nn/routing_attention.h"

#include <vector>

namespace strata {
namespace {

constexpr double kLeastLength = 1e-6;

torch::Tensor Direction(const torch::Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, {-1}, true).clamp_min(kLeastLength);
}

}  // namespace

RoutingBucketsImpl::RoutingBucketsImpl(int64_t heads, int64_t clusters, int64_t width)
    : centroids_(register_parameter("centroids",
                                    torch::zeros({heads, clusters, width}),
                                    /*requires_grad=*/false)) {}

Buckets RoutingBucketsImpl::Choose(const torch::Tensor& q, const torch::Tensor& k,
                                   const torch::Tensor& documents, bool trains) {
  torch::NoGradGuard no_grad;
  const int64_t clusters = centroids_.size(1);
  std::vector<torch::Tensor> nearest;
  for (const auto& x : {q, k}) {
    const auto unit = Direction(x).transpose(1, 2);  // [B, H, n, K]
    nearest.push_back(at::matmul(unit, centroids_.transpose(1, 2)).argmax(-1));
    if (!trains) continue;
    auto chosen = at::one_hot(nearest.back(), clusters).to(unit.options());
    if (documents.defined()) {
      chosen = chosen * (documents >= 0).view({x.size(0), 1, -1, 1}).to(unit.options());
    }
    const auto sums = at::matmul(chosen.transpose(2, 3), at::constant_pad_nd(unit, {0, 1}, 1))
                          .sum(0);
    members_ = members_.defined() ? members_ + sums : sums;
  }
  return {nearest[0].unsqueeze(0), nearest[1].unsqueeze(0), clusters};
}

void RoutingBucketsImpl::EndStep(bool applied) {
  torch::NoGradGuard no_grad;
  if (applied && members_.defined()) {
    const int64_t width = centroids_.size(2);
    const auto count = members_.narrow(2, width, 1);
    const auto mean = members_.narrow(2, 0, width) / count.clamp_min(1);
    const auto moved =
        Direction(kCentroidDecay * centroids_ + (1 - kCentroidDecay) * mean);
    centroids_.copy_(at::where(count > 0, moved, centroids_));
  }
  members_.reset();
}

}  // namespace strata
