#pragma once
// Products of fp32 matrices through oneDNN in place of the BLAS that LibTorch calls, on
// processors with vectors of 64 bytes: MKL uses those on processors of its maker alone, and
// takes twice as long on another one that has them.
// Thread-safe. The same bits for the same shapes and the same number of threads; in another
// batch, a row's where both have 256 rows or more and suit.

#include <torch/torch.h>

namespace strata {

// Whether WideProduct takes x [.., in] and weight [out, in]: fp32 on a CPU with such
// vectors, and enough rows and multiplications for it to pay.
bool SuitsWideProduct(const torch::Tensor& x, const torch::Tensor& weight);

// y = x weight^T; differentiable once. x and weight as SuitsWideProduct wants them.
torch::Tensor WideProduct(const torch::Tensor& x, const torch::Tensor& weight);

}  // namespace strata
