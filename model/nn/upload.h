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

// The tensor itself where that is the CPU.
inline torch::Tensor ToDevice(const torch::Tensor& host, const torch::Device& device) {
  if (device.is_cpu()) return host;
  return HostTensor(host.sizes(), host.scalar_type(), device)
      .copy_(host)
      .to(device, /*non_blocking=*/true);
}

// [values] of int64 in such memory.
inline torch::Tensor Staged(const std::vector<int64_t>& values,
                            const torch::Device& device) {
  const auto host =
      HostTensor({static_cast<int64_t>(values.size())}, torch::kLong, device);
  std::copy(values.begin(), values.end(), host.mutable_data_ptr<int64_t>());
  return host;
}

// [values] on a device.
inline torch::Tensor Upload(const std::vector<int64_t>& values,
                            const torch::Device& device) {
  return Staged(values, device).to(device, /*non_blocking=*/true);
}

// Into the first rows of a buffer on a device.
inline void UploadInto(const std::vector<int64_t>& values, const torch::Tensor& buffer) {
  const auto host = Staged(values, buffer.device());
  buffer.narrow(0, 0, host.size(0)).copy_(host, /*non_blocking=*/true);
}

// A copy on the host, there once the stream has been waited for.
inline torch::Tensor Download(const torch::Tensor& values) {
  const auto host = HostTensor(values.sizes(), values.scalar_type(), values.device());
  return host.copy_(values, /*non_blocking=*/true);
}

}  // namespace strata
