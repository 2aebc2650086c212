#pragma once
// In which type the products of Linear are computed on this thread: fp32, or bfloat16
// with fp32 sums, as in mixed-precision training (Micikevicius et al., 1710.03740;
// Kalamkar et al., 1905.12322 for bfloat16). Weights, gradients, norms, losses and
// attention, but for softmax attention on a GPU, stay fp32; what goes into a product,
// forward and backward, is rounded to eight bits of mantissa, and so is what comes out. A
// processor with units for it multiplies about twice as fast; one without several times
// slower.
// Thread-local; deterministic.

#include <torch/torch.h>

namespace strata {

// y = x weight^T; x [.., in], weight [out, in], y [.., out] of x's type.
torch::Tensor MatrixProduct(const torch::Tensor& x, const torch::Tensor& weight);

// Within its life, products of fp32 are bfloat16's if `on`. Backward passes of what was
// computed are too, wherever they run; what computes forward once more on the way back
// asks On() and remembers.
class Bf16Products {
 public:
  explicit Bf16Products(bool on);
  ~Bf16Products();
  Bf16Products(const Bf16Products&) = delete;
  Bf16Products& operator=(const Bf16Products&) = delete;

  // Whether this thread is within such a life.
  static bool On();

 private:
  const bool before_;
};

// In which type softmax attention is computed: fp32 queries of a GPU, within such a life,
// in bfloat16, which its kernels read in half of the time; the CPU's are in theirs.
torch::ScalarType AttentionType(const torch::Tensor& q);

// Whether this processor multiplies bfloat16 itself.
bool HasBf16Units();

}  // namespace strata
