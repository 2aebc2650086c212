#include "model/nn/devices.h"

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

// A product and a masked attention, as decoding has them, beside the CPU's.
absl::Status CheckDevice(const torch::Device& device) {
  torch::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(1);
  const auto q = torch::randn({2, 4, 3, 32}, generator);
  const auto keys = torch::randn({2, 4, 7, 32}, generator);
  const auto weight = torch::randn({32, 32}, generator);
  const auto mask = torch::ones({2, 1, 3, 7}, torch::kBool).tril(4);
  const auto compute = [&](const torch::Device& on) {
    const auto k = at::linear(keys.to(on), weight.to(on));
    return at::scaled_dot_product_attention(q.to(on), k, k, mask.to(on)).cpu();
  };
  const auto want = compute(torch::kCPU);
  const double off = (compute(device) - want).abs().max().item<double>();
  if (off <= 1e-3 * want.abs().max().item<double>()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      device.str(), " computes other numbers than the CPU (off by ", off, ")"));
}

// Loads LibTorch's CUDA half; how many devices it sees, 0 without a driver.
absl::StatusOr<int64_t> CountDevices() {
  if (!DriverIsPresent()) return 0;
  static const auto* const loaded = new absl::Status(LoadCudaHalf());
  STRATA_RETURN_IF_ERROR(*loaded);
  return TorchGuard([] { return at::hasCUDA() ? int64_t{at::getNumGPUs()} : 0; });
}

absl::StatusOr<std::vector<std::string>> ListDevices() {
  STRATA_ASSIGN_OR_RETURN(const int64_t count, CountDevices());
  std::vector<std::string> devices;
  for (int64_t i = 0; i < count; ++i) {
    const torch::Device device(torch::kCUDA, static_cast<c10::DeviceIndex>(i));
    STRATA_RETURN_IF_ERROR(TorchGuard([&] { return CheckDevice(device); }));
    devices.push_back(device.str());
  }
  if (!devices.empty() || !DriverIsPresent()) return devices;
  return absl::UnavailableError(
      "the driver is there, but LibTorch sees no CUDA device");
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CudaDevices() {
  const auto devices = ListDevices();
  if (devices.ok()) return devices;
  return absl::UnavailableError(devices.status().message());
}

absl::Status OpenCudaDevice(const std::string& device) {
  const auto count = CountDevices();
  if (!count.ok()) return absl::UnavailableError(count.status().message());
  for (int64_t i = 0; i < *count; ++i) {
    const torch::Device found(torch::kCUDA, static_cast<c10::DeviceIndex>(i));
    if (found.str() != device) continue;
    const absl::Status checked = TorchGuard([&] { return CheckDevice(found); });
    return checked.ok() ? checked : absl::UnavailableError(checked.message());
  }
  return absl::UnavailableError(absl::StrCat("the device ", device, " is not here"));
}

absl::StatusOr<int64_t> FreeDeviceBytes(const std::string& device) {
  return TorchGuard([&] {
    const auto memory =
        at::accelerator::getMemoryInfo(torch::Device(device).index());
    return static_cast<int64_t>(memory.first);
  });
}

}  // namespace strata
