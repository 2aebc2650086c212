#include "model/decode/load_model.h"

#include "model/decode/choose_weights.h"
#include "model/decode/cpu_model.h"
#include "model/decode/version_files.h"

namespace strata {

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadCpuModel(
    const std::string& version_dir, const CpuModelOptions& options) {
  return LoadVersion(
      version_dir,
      [types = options](const VersionFiles& files) mutable
          -> absl::StatusOr<std::shared_ptr<const LoadedModel>> {
        if (types.fastest_weights) types.weights = FastestWeights(files.config);
        return CpuModel<float>::Create(files.config, files.tensors, types);
      },
      options.early_exit);
}

}  // namespace strata
