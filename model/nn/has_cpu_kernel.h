#pragma once
// Whether the kernels of cpu_kernels.h have a form for a tensor: float and double on
// the CPU.

#include <torch/torch.h>

namespace strata {

inline bool HasCpuKernel(const torch::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == torch::kFloat ||
                        x.scalar_type() == torch::kDouble);
}

}  // namespace strata
