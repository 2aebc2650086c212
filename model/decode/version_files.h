#pragma once
// A version folder opened for an executor: parsed, nothing packed yet.
// Thread-safe.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/generator.h"
#include "model/model_config.h"
#include "model/safetensors.h"

namespace strata {

struct VersionFiles {
  ModelConfig config;  // valid
  std::unique_ptr<SafetensorsFile> weights;
  std::map<std::string, TensorView> tensors;  // of `weights`, to decode with
};

// Makes a model of files that are parsed, while their checksums are still taken.
// Exceptions: std::bad_alloc alone.
using ModelMaker =
    std::function<absl::StatusOr<std::shared_ptr<const LoadedModel>>(
        const VersionFiles&)>;

// Verifies the manifest (every size and SHA-256) and config.json, opens
// model.safetensors, and makes a model of them; without `early_exit`, of which nobody
// leaves early (model/nn/exit_heads.h). The message of an error names the folder.
//   DATA_LOSS           a checksum differs or a file is malformed
//   INVALID_ARGUMENT    the config does not describe a model
//   NOT_FOUND           a file is missing
//   RESOURCE_EXHAUSTED  no memory
absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadVersion(
    const std::string& version_dir, const ModelMaker& make, bool early_exit = true);

}  // namespace strata
