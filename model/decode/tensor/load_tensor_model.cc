#include "model/decode/tensor/load_tensor_model.h"

#include <torch/torch.h>

#include <memory>

#include "model/base/status_macros.h"
#include "model/decode/tensor/tensor_model.h"
#include "model/decode/version_files.h"
#include "model/nn/torch_guard.h"

namespace strata {
namespace {

absl::StatusOr<std::vector<torch::Device>> ParseDevices(
    const std::vector<std::string>& names) {
  std::vector<torch::Device> devices;
  for (const std::string& name : names) {
    const absl::Status status =
        TorchGuard([&] { devices.emplace_back(name); });
    if (!status.ok()) return absl::InvalidArgumentError(status.message());
  }
  return devices;
}

absl::StatusOr<std::shared_ptr<const LoadedModel>> MakeModel(
    const VersionFiles& files, const std::vector<std::string>& names) {
  STRATA_ASSIGN_OR_RETURN(const auto devices, ParseDevices(names));
  return TensorModel::Create(files.config, files.tensors, devices);
}

}  // namespace

ModelLoader TensorModelLoader(const std::vector<std::string>& devices,
                              bool early_exit) {
  return [devices, early_exit](const std::string& version_dir) {
    return LoadVersion(
        version_dir,
        [&](const VersionFiles& files) { return MakeModel(files, devices); },
        early_exit);
  };
}

}  // namespace strata
