#pragma once
// Position schemes of model/position_scheme.h by name, one pair of items at a time.
// Shares nothing with the model but the config.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/decode/naive_math.h"

namespace strata {

// A tensor of a scheme, by name and shape.
using AddTensor = std::function<void(const std::string& name,
                                     std::vector<int64_t> shape, double deviation)>;
void AddLevelPosition(const LevelConfig& level, const AddTensor& add);
void AddLayerPosition(const LevelConfig& level, Scope scope, const AddTensor& add);

// The values of a tensor whose name begins with `position.`.
using PositionWeight =
    std::function<const std::vector<double>&(const std::string& name)>;

// What item i has added at a stack's entrance: [D].
naive::Vector NaiveEntrance(const LevelConfig& level, double theta, int64_t i,
                            const PositionWeight& weight);

// The score of query i with key j of one head, q and k [K] as projected.
double NaiveScore(const LevelConfig& level, double theta, Scope scope, int head,
                  int64_t i, int64_t j, naive::Vector q, naive::Vector k,
                  const PositionWeight& weight);

}  // namespace strata
