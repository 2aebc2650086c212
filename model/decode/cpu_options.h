#pragma once
// What a caller chooses of the CPU executor, and its names on the command line. Plain
// values.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/decode/number_types.h"

namespace strata {

struct CpuModelOptions {
  WeightType weights = WeightType::kFull;
  CacheType cache = CacheType::kFull;
  // In place of `weights`: what choose_weights.h measures; LoadCpuModel alone.
  bool fastest_weights = false;
  // Items may leave where the version's threshold lets them (model/nn/exit_heads.h);
  // LoadCpuModel alone.
  bool early_exit = true;
};

// "fp32", "fp16", "bf16"; INVALID_ARGUMENT lists them.
absl::StatusOr<CacheType> ParseCacheType(absl::string_view name);
// "fp32", "bf16", "int8"; likewise.
absl::StatusOr<WeightType> ParseWeightType(absl::string_view name);
// `full`: what stands for kFull, "fp32" or "fp64".
std::string CacheTypeName(CacheType type, absl::string_view full);
std::string WeightTypeName(WeightType type, absl::string_view full);

}  // namespace strata
