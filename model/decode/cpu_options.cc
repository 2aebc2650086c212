#include "model/decode/cpu_options.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace strata {

absl::StatusOr<CacheType> ParseCacheType(absl::string_view name) {
  for (const CacheType type :
       {CacheType::kFull, CacheType::kFp16, CacheType::kBf16}) {
    if (name == CacheTypeName(type, "fp32")) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is none of fp32, fp16, bf16"));
}

absl::StatusOr<WeightType> ParseWeightType(absl::string_view name) {
  for (const WeightType type :
       {WeightType::kFull, WeightType::kBf16, WeightType::kInt8}) {
    if (name == WeightTypeName(type, "fp32")) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is none of fp32, bf16, int8"));
}

std::string WeightTypeName(WeightType type, absl::string_view full) {
  switch (type) {
    case WeightType::kFull:
      return std::string(full);
    case WeightType::kBf16:
      return "bf16";
    case WeightType::kInt8:
      return "int8";
  }
  return "";
}

std::string CacheTypeName(CacheType type, absl::string_view full) {
  switch (type) {
    case CacheType::kFull:
      return std::string(full);
    case CacheType::kFp16:
      return "fp16";
    case CacheType::kBf16:
      return "bf16";
  }
  return "";
}

}  // namespace strata
