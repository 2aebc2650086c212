#pragma once
// The format's names of element types; shared by reader and writer.

#include "absl/strings/string_view.h"
#include "model/safetensors.h"

namespace strata {

absl::string_view DTypeName(DType dtype);  // "F32"
bool ParseDType(absl::string_view name, DType* dtype);

}  // namespace strata
