#include "model/decode/load_model.h"

#include "model/decode/cpu_model.h"

namespace strata {

absl::StatusOr<std::shared_ptr<const LoadedModel>> MakeCpuModel(
    const VersionFiles& files) {
  return CpuModel<float>::Create(files.config, files.weights->tensors());
}

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadCpuModel(
    const std::string& version_dir) {
  return LoadVersion(version_dir, MakeCpuModel);
}

}  // namespace strata
