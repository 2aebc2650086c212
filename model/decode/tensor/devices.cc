#include "model/decode/tensor/devices.h"

#include <ATen/DeviceAccelerator.h>
#include <dlfcn.h>
#include <torch/torch.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/nn/torch_guard.h"

namespace strata {
namespace {

bool DriverIsPresent() {
  return access("/dev/nvidiactl", F_OK) == 0 ||
         access("/proc/driver/nvidia/version", F_OK) == 0 ||
         access("/dev/dxg", F_OK) == 0;  // under WSL
}

// The folder of the LibTorch that this process runs with, "/" included.
std::string LibTorchFolder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&at::get_num_threads), &info) == 0) {
    return "";
  }
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}

absl::Status LoadCudaHalf() {
  const std::string beside = LibTorchFolder() + "libtorch_cuda.so";
  const std::string file =
      access(beside.c_str(), R_OK) == 0 ? beside : "libtorch_cuda.so";
  if (dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("LibTorch's CUDA half cannot be loaded: ", dlerror()));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CudaDevices() {
  std::vector<std::string> devices;
  if (!DriverIsPresent()) return devices;
  static const auto* const loaded = new absl::Status(LoadCudaHalf());
  STRATA_RETURN_IF_ERROR(*loaded);
  return TorchGuard([&] {
    const int64_t count = at::hasCUDA() ? at::getNumGPUs() : 0;
    for (int64_t i = 0; i < count; ++i) {
      devices.push_back(absl::StrCat("cuda:", i));
    }
    return devices;
  });
}

absl::StatusOr<int64_t> FreeDeviceBytes(const std::string& device) {
  return TorchGuard([&] {
    const auto memory =
        at::accelerator::getMemoryInfo(torch::Device(device).index());
    return static_cast<int64_t>(memory.first);
  });
}

}  // namespace strata
