#pragma once
// HaltingUnit: how likely an item needs no further repeat of its stack: adaptive
// computation time (Graves 2016, arXiv 1603.08983) as the Universal Transformer uses it
// (Dehghani et al. 2019, 1807.03819). After repeat r, x[r] being an item's state:
//
//   p[r]   = sigmoid(weight x[r] + bias)
//   N      = the first r with p[1] + .. + p[r] > 1 - kHaltingEpsilon, or R, the last
//   out    = sum over r < N of p[r] x[r], plus (1 - sum over r < N of p[r]) x[N]
//   ponder = N + 1 - sum over r < N of p[r]
//
// The mean over items of `ponder` is what training adds with the weight `ponder` of the
// level. From repeat N + 1 on the state stays x[N], as the paper has it; each layer's
// keys and values of the item are made of that, so that items that go on have something
// to attend to. model/nn/item_depth.h does this, for this unit and whatever else lets
// items stop early. In fp32 or wider. Thread-compatible.

#include <torch/torch.h>

namespace strata {

inline constexpr double kHaltingBias = 1.0;  // at first: most items run two repeats

class HaltingUnitImpl : public torch::nn::Module {
 public:
  explicit HaltingUnitImpl(int64_t dim)
      : weight_(register_parameter("weight", torch::zeros({1, dim}))),
        bias_(register_parameter("bias", torch::full({1}, kHaltingBias))) {}
  // x [.., D] -> p [..].
  torch::Tensor forward(const torch::Tensor& x) const {
    return at::linear(x, weight_, bias_).squeeze(-1).sigmoid();
  }

 private:
  torch::Tensor weight_, bias_;
};
TORCH_MODULE(HaltingUnit);

}  // namespace strata
