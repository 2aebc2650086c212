#include "model/nn/entrance_positions.h"

#include "model/position_shape.h"

namespace strata {

EntrancePositionsImpl::EntrancePositionsImpl(const LevelConfig& level,
                                             double theta)
    : level_(level), theta_(theta) {
  const PositionTensor tensor = LevelPositionTensors(level).at(0);
  weight_ = register_parameter(tensor.name, torch::zeros(tensor.shape));
}

torch::Tensor EntrancePositionsImpl::forward(const torch::Tensor& x,
                                             const torch::Tensor& index) {
  if (level_.position->entrance == EntranceRows::kLearned) {
    return x + at::embedding(weight_, index.clamp_max(level_.position_span - 1));
  }
  const auto f64 = torch::TensorOptions().dtype(torch::kDouble).device(x.device());
  const auto rate =
      at::pow(theta_, -torch::arange(0, level_.dim, 2, f64) / level_.dim);
  const auto angle = index.to(torch::kDouble).unsqueeze(-1) * rate;
  const auto sinusoids = at::cat({angle.cos(), angle.sin()}, -1);
  return x + weight_ * sinusoids.to(x.scalar_type());
}

}  // namespace strata
