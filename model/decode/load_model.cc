#include "model/decode/load_model.h"

#include "model/decode/cpu_model.h"
#include "model/decode/version_files.h"

namespace strata {

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadCpuModel(
    const std::string& version_dir) {
  return LoadVersion(
      version_dir,
      [](const VersionFiles& files)
          -> absl::StatusOr<std::shared_ptr<const LoadedModel>> {
        return CpuModel<float>::Create(files.config, files.weights->tensors());
      });
}

}  // namespace strata
