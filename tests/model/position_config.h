#pragma once
// A small model of a position scheme, for the suites of both definitions: rings, a
// full scope and an encoder that looks ahead; head counts that are no power of two;
// spans that the texts of the suites go beyond.

#include <string>
#include <vector>

#include "model/model_config.h"

namespace strata::testing {

inline ModelConfig PositionConfig(const PositionScheme& scheme) {
  ModelConfig config;
  config.architecture = std::string("position-") + scheme.name;
  config.max_context = 4096;
  config.levels.resize(3);
  const int dims[] = {24, 24, 20}, heads[] = {3, 2, 1}, blocks[] = {4, 3, 0};
  const int spans[] = {66, 17, 6};  // the least for xpos: items / 64
  for (size_t l = 0; l < 3; ++l) {
    LevelConfig& level = config.levels[l];
    level.dim = dims[l];
    level.heads = heads[l];
    level.ff_mult = 2;
    level.block = blocks[l];
    level.position = &scheme;
    if (scheme.max_span > 0) level.position_span = spans[l];
    if (scheme.adaptive && l == 2) level.position_span = 400;  // all that it may hold
  }
  LevelConfig& bytes = config.levels[0];
  bytes.enc_layers = bytes.dec_layers = 1;
  bytes.enc_scope = bytes.dec_scope = Scope::kWindow;
  bytes.window = 19;
  LevelConfig& middle = config.levels[1];
  middle.enc_layers = middle.dec_layers = 1;
  middle.enc_scope = Scope::kBidirBlock;
  middle.dec_scope = Scope::kBlock;
  config.levels[2].dec_layers = 2;
  return config;
}

// Every scheme but the default one, which the other models have.
inline std::vector<const PositionScheme*> OtherPositionSchemes() {
  std::vector<const PositionScheme*> schemes;
  for (const PositionScheme* scheme : PositionSchemes()) {
    if (scheme != &kRopePosition) schemes.push_back(scheme);
  }
  return schemes;
}

}  // namespace strata::testing
