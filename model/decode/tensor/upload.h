#pragma once
// What the host plans for a step, brought to the device.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace strata {

// [values] of int64.
inline torch::Tensor Upload(const std::vector<int64_t>& values,
                            const torch::Device& device) {
  return torch::tensor(values, torch::kLong).to(device);
}

}  // namespace strata
