#pragma once
// How many of a stack's layers an item passes: all of them, or, where a level halts its
// items (model/nn/halting_unit.h) or lets them leave early (model/nn/exit_heads.h), as few
// as it needs. Pure functions, thread-safe.

#include <string>

#include "absl/status/status.h"
#include "model/model_config.h"

namespace strata {

inline constexpr int kMaxLayers = 128;  // of a stack, each as often as it runs

// Of model/nn/halting_unit.h: an item halts where no more than this would be left.
inline constexpr double kHaltingEpsilon = 0.01;

// Of model/nn/exit_heads.h: the threshold that no probability is above.
inline constexpr double kNoExit = 1.0;

// The keys of a level that say so; `at` is its path with a dot.
absl::Status CheckDepth(const LevelConfig& level, const std::string& at,
                        bool byte_level);

// The model as an item passes it that stops as early as it may, and that no memory of
// neighbours has chosen anything for: what every prediction is sure to see is what it
// sees there. The same where no item stops early and nothing is chosen.
ModelConfig Shallowest(ModelConfig config);

}  // namespace strata
