#include "model/train/train_device.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/nn/devices.h"
#include "model/nn/torch_guard.h"

namespace strata {

absl::StatusOr<torch::Device> OpenTrainDevice(const std::string& name) {
  // Asked before LibTorch is, which keeps its first answer.
  if (absl::StartsWith(name, "cuda")) STRATA_RETURN_IF_ERROR(OpenCudaDevice(name));
  const auto device = TorchGuard([&] { return torch::Device(name); });
  if (device.ok()) return device;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is no device: ", device.status().message()));
}

absl::Status MoveToTrainDevice(const std::string& name, torch::nn::Module* module) {
  STRATA_ASSIGN_OR_RETURN(const torch::Device device, OpenTrainDevice(name));
  return TorchGuard([&] { module->to(device); });
}

}  // namespace strata
