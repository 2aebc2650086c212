#include "model/decode/load_model.h"

#include "model/decode/cpu_model.h"
#include "model/decode/version_files.h"

namespace strata {

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadCpuModel(
    const std::string& version_dir, const CpuModelOptions& options) {
  return LoadVersion(
      version_dir,
      [&options](const VersionFiles& files)
          -> absl::StatusOr<std::shared_ptr<const LoadedModel>> {
        return CpuModel<float>::Create(files.config, files.weights->tensors(),
                                       options);
      });
}

}  // namespace strata
