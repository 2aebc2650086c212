#pragma once
// A matrix without a bias: y = x weight^T. Its weight is left for InitWeights
// (model/hierarchy/init.h) to fill, so that no global generator is drawn from.
// Thread-compatible.

#include <torch/torch.h>

#include "model/nn/matrix_precision.h"

namespace strata {

class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in, int64_t out)
      : weight(register_parameter("weight", torch::zeros({out, in}))) {}

  torch::Tensor forward(const torch::Tensor& x) {
    return MatrixProduct(x, weight);
  }

  torch::Tensor weight;  // [out, in]
};
TORCH_MODULE(Linear);

}  // namespace strata
