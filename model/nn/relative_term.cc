#include "model/nn/relative_term.h"

#include <cmath>

#include "model/nn/rope.h"

namespace strata {

RelativeTermImpl::RelativeTermImpl(const LevelConfig& level, Scope scope,
                                   double theta)
    : level_(level), rows_(DistanceRowsOf(level, scope)), theta_(theta) {
  const int64_t dim = level.dim;
  if (level.position->relative == RelativeKeys::kLearned) {
    key_ = register_parameter("key",
                              torch::zeros({rows_.rows(), dim / level.heads}));
    return;
  }
  weight_ = register_module("key", Linear(dim, dim));
  content_ = register_parameter("content", torch::zeros({dim}));
  distance_ = register_parameter("distance", torch::zeros({dim}));
}

torch::Tensor RelativeTermImpl::Vectors(const torch::Tensor& like) const {
  if (key_.defined()) return key_.unsqueeze(0);
  const RopeTables angles =
      Angles(rows_.low, rows_.rows(), level_.dim, theta_);
  const auto sinusoids =
      at::cat({angles.cos, angles.sin}, 1).to(like.options().requires_grad(false));
  return at::linear(sinusoids, weight_->weight)
      .view({rows_.rows(), level_.heads, level_.dim / level_.heads})
      .transpose(0, 1);
}

torch::Tensor RelativeTermImpl::Scores(const torch::Tensor& q,
                                       const torch::Tensor& k,
                                       const torch::Tensor& distance) {
  const auto shifted = [&](const torch::Tensor& by) {
    return by.defined() ? q + by.view({1, level_.heads, 1, q.size(3)}) : q;
  };
  // Every query with every distance, [R, H, Q, rows]; then those of its keys.
  const auto by_distance =
      at::matmul(shifted(distance_) / std::sqrt(static_cast<double>(q.size(3))),
                 Vectors(q).transpose(1, 2));
  auto row = distance.clamp(rows_.low, rows_.high) - rows_.low;
  row = row.dim() == 2 ? row.view({1, 1, row.size(0), row.size(1)})
                       : row.unsqueeze(1);
  return Products(shifted(content_), k) +
         by_distance.gather(3, row.expand({q.size(0), q.size(1), -1, -1}));
}

}  // namespace strata
