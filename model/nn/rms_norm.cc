#include "model/nn/rms_norm.h"

namespace strata {

RmsNormImpl::RmsNormImpl(int64_t dim)
    : weight(register_parameter("weight", torch::ones({dim}))) {}

torch::Tensor RmsNormImpl::forward(const torch::Tensor& x) {
  const auto scale = at::rsqrt(x.square().mean(-1, true) + kNormEpsilon);
  return x * scale * weight;
}

}  // namespace strata
