#include "model/decode/tensor/load_tensor_model.h"

#include <torch/torch.h>

#include <memory>
#include <utility>

#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/decode/tensor/cuda_recorder.h"
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

void StartGraphs(DeviceModel& replica, int64_t reserve_bytes) {
  auto recorder = NewCudaRecorder();
  absl::Status status = recorder.status();
  if (status.ok()) status = replica.StartReplay(*std::move(recorder), {reserve_bytes});
  if (status.ok()) return;
  Log(Severity::kWarning, "a model decodes without CUDA graphs",
      {{"device", replica.device().str()}, {"reason", status.message()}});
}

absl::StatusOr<std::shared_ptr<const LoadedModel>> MakeModel(
    const VersionFiles& files, const std::vector<std::string>& names,
    const TensorModelOptions& options) {
  STRATA_ASSIGN_OR_RETURN(const auto devices, ParseDevices(names));
  STRATA_ASSIGN_OR_RETURN(
      auto model, TensorModel::Create(files.config, files.tensors, devices,
                                      options.bf16 ? torch::kBFloat16 : torch::kFloat));
  for (size_t i = 0; options.graphs && i < devices.size(); ++i) {
    if (!devices[i].is_cuda()) continue;
    StartGraphs(model->replica(static_cast<int>(i)), options.reserve_bytes);
  }
  return model;
}

}  // namespace

ModelLoader TensorModelLoader(const std::vector<std::string>& devices,
                              const TensorModelOptions& options) {
  return [devices, options](const std::string& version_dir) {
    return LoadVersion(
        version_dir,
        [&](const VersionFiles& files) { return MakeModel(files, devices, options); },
        options.early_exit);
  };
}

}  // namespace strata
