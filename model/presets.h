#pragma once
// Presets: the names that people know, each a ModelConfig. A family takes a size
// suffix, -1m by default: `block` and `flat` -1m, -10m, -20m, -25m, -45m, -124m,
// a pair of equal suffix within 3 % in parameters; `block-transformer`, `dynamic`,
// `hourglass`, `megabyte`, `multirate`, `spacebyte`, `tree` -1m, -10m; `three-level` -1m,
// -10m, -45m, all within 4 % of the flat one. Preset names are reserved: no served model
// may bear one. `document` is a preset of its own kind (model/document_config.h).

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/model_config.h"

namespace strata {

// Models that generate. NOT_FOUND lists the presets. "block" is "block-1m".
absl::StatusOr<ModelConfig> PresetConfig(absl::string_view name);
bool IsPresetName(absl::string_view name);  // of any kind
std::vector<std::string> PresetNames();     // of models that generate

// A name that a served model may bear: [a-z0-9][a-z0-9._-]{0,62}, which is a
// folder's name too, and no preset. INVALID_ARGUMENT says why not.
absl::Status ValidateModelName(absl::string_view name);

}  // namespace strata
