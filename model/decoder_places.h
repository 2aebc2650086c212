#pragma once
// Where the items of a level's decoder stand. Where the bridge is `prefix`
// (Ho et al. 2024, Block Transformer, 2406.02657), a context o of the level above
// enters as m = LevelConfig::prefix vectors before the block that it speaks of:
//
//   e[j]     = W_bridge o[j]                      m rows of width D, for block j
//   decoder  : e[0][0..m-2] u[0] .. u[b-1]   e[1][0..m-2] u[b] ..    one after another
//   u[j b]   = skip[j b - 1] + e[j][m-1]          start for skip[-1]
//   u[i]     = skip[i-1]                          elsewhere
//
// The first m - 1 rows are items that every layer computes and that predict nothing.
// A decoder's blocks so have m - 1 items more than the level's, and its scope, its
// positions and its cache go by places: the numbers of items in that row. With any
// other bridge u[i] has place i. Pure functions.

#include <cstdint>

#include "model/model_config.h"
#include "model/scope_rule.h"

namespace strata {

// m - 1; 0 with any other bridge.
inline int64_t PrefixItems(const LevelConfig& level) {
  return level.prefix > 0 ? level.prefix - 1 : 0;
}

// Of u[i]; -1 for i = -1, before all.
inline int64_t DecoderPlace(const LevelConfig& level, int64_t i) {
  const int64_t before = PrefixItems(level);
  return before == 0 || i < 0 ? i : i + before * (i / level.block + 1);
}

// That u[0], .., u[items - 1] and what stands before them take.
inline int64_t DecoderPlaces(const LevelConfig& level, int64_t items) {
  return DecoderPlace(level, items - 1) + 1;
}

// What a place of the decoder sees.
inline ScopeSpec DecoderSpec(const LevelConfig& level) {
  ScopeSpec spec = SpecOf(level, level.dec_scope);
  if (level.dec_scope == Scope::kBlock) {
    spec.block += static_cast<int>(PrefixItems(level));
  }
  return spec;
}

}  // namespace strata
