#pragma once
// Named tensors to a safetensors file and back, in place. Strict when reading:
// a missing, unknown or misshapen tensor is an error, and a failed read may have
// overwritten some of them. Thread-compatible.

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/train/adamw.h"

namespace strata {

// REQUIRES contiguous tensors on the CPU, fp32 or fp64. RESOURCE_EXHAUSTED on a
// full disk.
absl::Status WriteTensors(const std::string& path,
                          const std::vector<NamedParameter>& tensors,
                          const std::map<std::string, std::string>& metadata);

// DATA_LOSS names the file and the tensor.
absl::Status ReadTensorsInto(const std::string& path,
                             const std::vector<NamedParameter>& tensors);

}  // namespace strata
