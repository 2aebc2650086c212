#pragma once
// Numbers and tensors between the host and a device, on the current stream, through
// pinned memory where the device is a GPU: the copies wait for nothing. LibTorch keeps
// pinned memory that is done with, and gives none again before its copies have ended.

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace strata {

// Memory of the host that `device` may copy from and to.
inline torch::Tensor HostTensor(at::IntArrayRef sizes, torch::ScalarType type,
                                const torch::Device& device) {
  return at::empty(sizes, torch::TensorOptions().dtype(type).pinned_memory(
                              device.is_cuda()));
}

// [values] of int64.
inline torch::Tensor Upload(const std::vector<int64_t>& values,
                            const torch::Device& device) {
  const auto host =
      HostTensor({static_cast<int64_t>(values.size())}, torch::kLong, device);
  std::copy(values.begin(), values.end(), host.mutable_data_ptr<int64_t>());
  return host.to(device, /*non_blocking=*/true);
}

// Into the first rows of a buffer on a device.
inline void UploadInto(const std::vector<int64_t>& values, const torch::Tensor& buffer) {
  const auto size = static_cast<int64_t>(values.size());
  const auto host = HostTensor({size}, torch::kLong, buffer.device());
  std::copy(values.begin(), values.end(), host.mutable_data_ptr<int64_t>());
  buffer.narrow(0, 0, size).copy_(host, /*non_blocking=*/true);
}

// A copy on the host, there once the stream has been waited for.
inline torch::Tensor Download(const torch::Tensor& values) {
  const auto host = HostTensor(values.sizes(), values.scalar_type(), values.device());
  return host.copy_(values, /*non_blocking=*/true);
}

}  // namespace strata
