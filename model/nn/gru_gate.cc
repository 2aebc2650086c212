#include "model/nn/gru_gate.h"

namespace strata {

GruGateImpl::GruGateImpl(int64_t dim)
    : input_(register_module("input", Linear(dim, 3 * dim))),
      state_(register_module("state", Linear(dim, 2 * dim))),
      candidate_(register_module("candidate", Linear(dim, dim))),
      bias_(register_parameter("bias", torch::full({dim}, kGateBias))) {}

torch::Tensor GruGateImpl::forward(const torch::Tensor& x,
                                   const torch::Tensor& y) {
  const auto in = input_->forward(y.relu()).chunk(3, -1);
  const auto was = state_->forward(x).chunk(2, -1);
  const auto r = (in[0] + was[0]).sigmoid();
  const auto z = (in[1] + was[1] - bias_).sigmoid();
  const auto h = (in[2] + candidate_->forward(r * x)).tanh();
  return x + z * (h - x);
}

}  // namespace strata
