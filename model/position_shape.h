#pragma once
// What a level's position scheme amounts to in shapes and numbers: its parameters, the
// distances it tells apart, its centre. The same for the differentiable model, the
// executors and the count of parameters. Pure functions, thread-safe.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "model/model_config.h"

namespace strata {

struct PositionTensor {
  std::string name;
  std::vector<int64_t> shape;
};

// Of a level: named after "level.{l}.position.". None where no stack has a layer.
std::vector<PositionTensor> LevelPositionTensors(const LevelConfig& level);
// Of each layer of a stack with this scope: named after "….attn.position.".
std::vector<PositionTensor> LayerPositionTensors(const LevelConfig& level,
                                                 Scope scope);

// The distances [low, high] that have a row of their own; others take the nearest.
// Only a scope that looks ahead has negative ones.
struct DistanceRows {
  int64_t low = 0;
  int64_t high = 0;

  int64_t rows() const { return high - low + 1; }
  int64_t Row(int64_t distance) const {
    return std::clamp(distance, low, high) - low;
  }
};
DistanceRows DistanceRowsOf(const LevelConfig& level, Scope scope);

// Places that the level's decoder may hold (model/decoder_places.h); its encoder holds
// no more items.
int64_t ItemsHeld(const ModelConfig& config, int level);
// Per pair of a head, by how much the logarithm of its scale grows with an item; empty
// where the scheme scales nothing.
std::vector<double> ScaleRates(const LevelConfig& level);
// Of a scheme whose heads learn how far they look: z in [0, longest] items, faded over
// `ramp` more, the paper's 32 or an eighth of a shorter span.
struct SpanShape {
  int64_t longest = 0;  // LevelConfig::position_span
  int64_t ramp = 1;
};
SpanShape SpanOf(const LevelConfig& level);
// The least position_span of such a scheme: what the level's scopes look back, so that
// a head can learn to see all that its scope shows.
int64_t LeastSight(const ModelConfig& config, int level);
// c of xpos: the middle of the items that the level may hold.
int64_t PositionCentre(const ModelConfig& config, int level);
// The least span with which xpos stays in the range of float over those items: no
// factor is then beyond e^41, nor the product of two beyond e^82.
int64_t LeastFadingSpan(const ModelConfig& config, int level);

}  // namespace strata
