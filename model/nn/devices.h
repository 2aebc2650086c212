#pragma once
// Which devices LibTorch can compute on here. Its CUDA half is a library of its
// own that is loaded on first need, beside libtorch_cpu.so or by the loader's
// path: machines without a GPU neither have nor want it. To be asked before
// anything else asks LibTorch for CUDA: it keeps its first answer. Torch-free to
// include. Thread-safe.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace strata {

// "cuda:0", "cuda:1", …; empty where there is no CUDA device. UNAVAILABLE, with
// the reason, where there is one that cannot be used: LibTorch's CUDA half cannot
// be loaded, or a device does not compute what the CPU does.
absl::StatusOr<std::vector<std::string>> CudaDevices();

// One of them, and nothing is asked of the others. UNAVAILABLE also where it is not there.
absl::Status OpenCudaDevice(const std::string& device);

// Memory of a CUDA device that nobody uses at present. REQUIRES: a device that
// CudaDevices named.
absl::StatusOr<int64_t> FreeDeviceBytes(const std::string& device);

}  // namespace strata
