#pragma once
// Opens a version folder for decoding with the fused CPU executor. A ModelLoader
// (model/generator.h); thread-safe.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/decode/cpu_options.h"
#include "model/generator.h"

namespace strata {

// Verifies the manifest (every size and SHA-256), config.json, and
// model.safetensors against the config: names, shapes, finite values. Nothing
// of the file is needed after it returns.
//   DATA_LOSS           a checksum differs, a file is malformed, a weight is
//                       not finite
//   INVALID_ARGUMENT    config or tensors do not describe a model
//   NOT_FOUND           a file is missing
//   RESOURCE_EXHAUSTED  no memory for the weights
// The message names the folder.
absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadCpuModel(
    const std::string& version_dir, const CpuModelOptions& options = {});

}  // namespace strata
