#pragma once
// RmsNorm: x / sqrt(mean(x^2) + 1e-5) * weight over the last dimension.
// Thread-compatible.

#include <torch/torch.h>

namespace strata {

inline constexpr double kNormEpsilon = 1e-5;

class RmsNormImpl : public torch::nn::Module {
 public:
  explicit RmsNormImpl(int64_t dim);
  torch::Tensor forward(const torch::Tensor& x);

  torch::Tensor weight;  // [dim]
};
TORCH_MODULE(RmsNorm);

}  // namespace strata
