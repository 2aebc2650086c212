#pragma once
// Products of fp32 matrices through oneDNN, where its vectors are wider than those of
// the BLAS that LibTorch calls: MKL's products use vectors of 64 bytes on processors of
// its maker alone, and take twice as long on another one that has them.
// Thread-safe. The same bits for the same shapes and the same number of threads.

#include <torch/torch.h>

namespace strata {

// Whether WideProduct takes x [.., in] and weight [out, in], and gains by it: fp32 on a
// CPU with such vectors, so many multiplications that preparing for a shape is small
// beside them, and so many rows that none is summed otherwise in another batch.
bool SuitsWideProduct(const torch::Tensor& x, const torch::Tensor& weight);

// y = x weight^T; differentiable once. x and weight as SuitsWideProduct wants them.
torch::Tensor WideProduct(const torch::Tensor& x, const torch::Tensor& weight);

}  // namespace strata
