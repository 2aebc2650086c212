#include "model/nn/exit_heads.h"

#include "model/stack_depth.h"

namespace strata {

ExitHeadsImpl::ExitHeadsImpl(int64_t dim, int layers, int exits)
    : layers_(layers),
      exits_(exits),
      weight_(register_parameter("weight", torch::zeros({layers - exits, dim}))),
      bias_(register_parameter("bias", torch::zeros({layers - exits}))),
      threshold_(register_parameter("threshold", torch::full({1}, kNoExit),
                                    /*requires_grad=*/false)) {}

torch::Tensor ExitHeadsImpl::Logit(int run, const torch::Tensor& x) const {
  const int64_t row = run + 1 - exits_;
  return at::linear(x, weight_.narrow(0, row, 1), bias_.narrow(0, row, 1)).squeeze(-1);
}

torch::Tensor ExitHeadsImpl::Leaves(int run, const torch::Tensor& x) const {
  return Logit(run, x).sigmoid() > threshold_;
}

void ExitHeadsImpl::SetThreshold(double threshold) {
  torch::NoGradGuard no_grad;
  threshold_.fill_(threshold);
}

}  // namespace strata
