#pragma once
// Configs of models with a tokeniser, for the property suites.

#include <cstdint>
#include <numeric>
#include <vector>

#include "model/model_config.h"

namespace strata::testing {

// `config` with pieces beside the bytes, some of every class that there is.
inline ModelConfig WithPieces(ModelConfig config) {
  const std::vector<int64_t> classes = {0, 9, 4, 3, 2, 12, 5, 6};
  config.vocab = 260 + static_cast<int>(std::accumulate(classes.begin(),
                                                        classes.end(), int64_t{0}));
  for (LevelConfig& level : config.levels) {
    if (level.block_rule == BlockRule::kSpacelike) level.piece_classes = classes;
  }
  return config;
}

}  // namespace strata::testing
