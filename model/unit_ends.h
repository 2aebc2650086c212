#pragma once
// Where the units of a level may end, for the availability pass (model/availability.h).
// Pure functions, thread-safe.

#include <cstdint>
#include <vector>

#include "model/model_config.h"

namespace strata {

// Per item whether a unit ends with it.
using UnitEnds = std::vector<uint8_t>;

// One way where blocks are fixed; where the bytes decide, the longest units, the
// shortest, both in turn, and a mixture.
std::vector<UnitEnds> WaysToEnd(const LevelConfig& level, int64_t items);

}  // namespace strata
