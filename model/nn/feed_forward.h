#pragma once
// FeedForward: down(gelu_tanh(up(norm(x)))), the second half of a
// TransformerLayer without its residual. Thread-compatible.

#include <torch/torch.h>

#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

class FeedForwardImpl : public torch::nn::Module {
 public:
  FeedForwardImpl(int64_t dim, int64_t hidden);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  RmsNorm norm_;
  Linear up_;
  Linear down_;
};
TORCH_MODULE(FeedForward);

}  // namespace strata
