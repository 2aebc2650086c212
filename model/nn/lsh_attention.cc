#include "model/nn/lsh_attention.h"

namespace strata {
namespace {

// x [B, n, H, K], rotations [rounds, H, K, buckets / 2] -> [rounds, B, H, n].
torch::Tensor Hashes(const torch::Tensor& x, const torch::Tensor& rotations) {
  const auto turned = at::matmul(x.transpose(1, 2).unsqueeze(0), rotations.unsqueeze(1));
  return at::cat({turned, -turned}, -1).argmax(-1);
}

}  // namespace

Buckets LshBucketsImpl::Choose(const torch::Tensor& q, const torch::Tensor& k,
                               const torch::Tensor& /*documents*/, bool /*trains*/) {
  torch::NoGradGuard no_grad;
  // In float, so that numbers of any type hash alike.
  const auto rotations =
      at::randn({rounds_, q.size(2), q.size(3), buckets_ / 2}, torch::kFloat)
          .to(q.options().requires_grad(false));
  return {Hashes(q, rotations), Hashes(k, rotations), buckets_};
}

}  // namespace strata
