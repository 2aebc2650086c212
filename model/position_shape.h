#pragma once
// What a level's position scheme amounts to in numbers: the same for the
// differentiable model and the executors. Pure functions, thread-safe.

#include <cstdint>

#include "model/model_config.h"

namespace strata {

// c of xpos: the middle of the items that the level may hold.
int64_t PositionCentre(const ModelConfig& config, int level);
// The least span with which xpos stays in the range of float over those items: no
// factor is then beyond e^41, nor the product of two beyond e^82.
int64_t LeastFadingSpan(const ModelConfig& config, int level);

}  // namespace strata
