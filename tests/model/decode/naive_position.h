#pragma once
// Position schemes of model/position_scheme.h by name, one pair of items at a time.
// Shares nothing with the model but the config.

#include <cstdint>

#include "model/model_config.h"
#include "tests/model/decode/naive_math.h"

namespace strata {

// The score of query i with key j of one head, q and k [K] as projected.
double NaiveScore(const LevelConfig& level, double theta, int head,
                  int64_t i, int64_t j, naive::Vector q, naive::Vector k);

}  // namespace strata
