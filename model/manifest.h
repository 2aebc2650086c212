#pragma once
// The text of MANIFEST.json. It carries its own SHA-256, so that a flipped bit
// in it is as visible as one in a file that it lists. Pure functions.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/version_dir.h"

namespace strata {

inline constexpr char kManifestName[] = "MANIFEST.json";

// INVALID_ARGUMENT where a name could leave its folder or is the manifest's.
absl::Status CheckManifestName(absl::string_view name);

std::string ManifestToJson(const Manifest& manifest);
// DATA_LOSS "DIR/MANIFEST.json: …"; FAILED_PRECONDITION for a newer format.
absl::StatusOr<Manifest> ParseManifest(absl::string_view json,
                                       absl::string_view dir);

}  // namespace strata
