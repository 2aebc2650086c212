#pragma once
// Small models that attend to buckets in training, for the suites of both definitions,
// which know them as models of full scopes: on every level, in encoders and decoders,
// and below a level of another kind.

#include <string>
#include <vector>

#include "model/model_config.h"

namespace strata::testing {

// Names of the models.
inline std::vector<std::string> BucketConfigNames() {
  return {"lsh", "routing", "routing-top"};
}

inline LevelConfig BucketLevel(bool lsh, int dim, int heads, int block) {
  LevelConfig level;
  level.dim = dim;
  level.heads = heads;
  level.ff_mult = 2;
  level.enc_layers = level.dec_layers = 1;
  level.enc_scope = level.dec_scope = Scope::kFull;
  level.block = block;
  level.trained_attention =
      lsh ? TrainedAttention::kLsh : TrainedAttention::kRouting;
  level.buckets = lsh ? 6 : 5;
  level.hash_rounds = lsh ? 2 : 0;
  return level;
}

inline ModelConfig BucketConfig(const std::string& name) {
  const bool lsh = name == "lsh";
  ModelConfig config;
  config.architecture = name;
  config.max_context = 4096;
  config.levels = {BucketLevel(lsh, 24, 3, 4), BucketLevel(lsh, 20, 2, 0)};
  config.levels[1].enc_layers = 0;
  config.levels[1].dec_layers = 2;
  config.levels[1].repeats = 2;
  if (name != "routing-top") return config;
  LevelConfig& bytes = config.levels[0];
  bytes.trained_attention = TrainedAttention::kExact;
  bytes.buckets = 0;
  bytes.enc_scope = bytes.dec_scope = Scope::kWindow;
  bytes.window = 7;
  return config;
}

}  // namespace strata::testing
