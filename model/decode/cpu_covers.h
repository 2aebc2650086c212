#pragma once
// Which models the fused CPU executor decodes. What it does not cover, LibTorch
// decodes on the CPU (model/decode/tensor). A pure function.

#include "absl/status/status.h"
#include "model/model_config.h"

namespace strata {

// UNIMPLEMENTED names the field that it does not cover. REQUIRES: a valid config.
absl::Status CpuExecutorCovers(const ModelConfig& config);

}  // namespace strata
