#pragma once
// What benchmarks know a model by: a preset, or a file with its config.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "model/base/status_macros.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "model/version_dir.h"

namespace strata {

// Of a NAME.json what it holds. INVALID_ARGUMENT where that is no config, NOT_FOUND where
// there is neither preset nor file.
inline absl::StatusOr<ModelConfig> PresetOrFile(const std::string& argument) {
  if (!absl::EndsWith(argument, ".json")) return PresetConfig(argument);
  STRATA_ASSIGN_OR_RETURN(const std::string text, ReadFile(argument));
  STRATA_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(text));
  STRATA_RETURN_IF_ERROR(ValidateModelConfig(config));
  return config;
}

}  // namespace strata
