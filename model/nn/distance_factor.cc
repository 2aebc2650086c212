#include "model/nn/distance_factor.h"

namespace strata {

DistanceFactorImpl::DistanceFactorImpl(const LevelConfig& level)
    : slope_(register_parameter("slope", torch::zeros({level.heads}))),
      offset_(register_parameter("offset", torch::zeros({level.heads}))) {}

torch::Tensor DistanceFactorImpl::Scores(const torch::Tensor& q,
                                         const torch::Tensor& k,
                                         const torch::Tensor& distance) {
  const auto r = distance.abs().to(q.scalar_type());
  const auto by_head = [&](const torch::Tensor& x) {
    return x.view({1, -1, 1, 1});
  };
  const auto rise = by_head(slope_) *
                    (r.dim() == 2 ? r : r.unsqueeze(1));
  // 1 / (1 + e^(b - a r)) as a sigmoid: no infinity, in neither direction.
  const auto factor =
      (1 + by_head(offset_.exp())) * (rise - by_head(offset_)).sigmoid();
  return Products(q, k).relu() * factor;
}

}  // namespace strata
