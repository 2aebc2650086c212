#pragma once
// What a caller chooses of the CPU executor, and its names on the command line. Plain
// values.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/decode/number_types.h"

namespace strata {

struct CpuModelOptions {
  CacheType cache = CacheType::kFull;
};

// "fp32", "fp16", "bf16"; INVALID_ARGUMENT lists them.
absl::StatusOr<CacheType> ParseCacheType(absl::string_view name);
// `full`: what stands for kFull, "fp32" or "fp64".
std::string CacheTypeName(CacheType type, absl::string_view full);

}  // namespace strata
