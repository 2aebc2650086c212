#pragma once
// GruGate: what a sublayer made, y, enters x through gates of a recurrent unit in
// place of a sum (GTrXL: Parisotto et al. 2019, arXiv 1910.06764, section 3.2).
//
//   y   <- max(y, 0)
//   r   = sigmoid(W_r y + U_r x)
//   z   = sigmoid(W_z y + U_z x - b)
//   h   = tanh(W_g y + U_g (r * x))
//   out = (1 - z) * x + z * h
//
// y first goes through a ReLU, as in the paper: without it the sublayer's last matrix
// and W would be one linear map. b is learned, one a channel, and begins at 2, so that
// a layer begins close to passing x on. Thread-compatible.

#include <torch/torch.h>

#include "model/nn/linear.h"

namespace strata {

inline constexpr double kGateBias = 2.0;

class GruGateImpl : public torch::nn::Module {
 public:
  explicit GruGateImpl(int64_t dim);
  // x, y [.., D] -> [.., D].
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& y);

 private:
  Linear input_;      // W: rows of r, then z, then g
  Linear state_;      // U of r, then z
  Linear candidate_;  // U of g
  torch::Tensor bias_;  // b [D]
};
TORCH_MODULE(GruGate);

}  // namespace strata
