#include "model/position_shape.h"

namespace strata {
namespace {

// ln(1 / zeta(0)) = 1.25: q and k of an item are scaled by e^(1.25 * 32) at most.
constexpr int64_t kSpansHeld = 64;

int64_t ItemsHeld(const ModelConfig& config, int level) {
  return MaxItems(config, level, config.max_context) + 1;
}

}  // namespace

std::vector<PositionTensor> LevelPositionTensors(const LevelConfig& level) {
  if (level.enc_layers + level.dec_layers == 0) return {};
  switch (level.position->entrance) {
    case EntranceRows::kNone:
      return {};
    case EntranceRows::kAngles:
      return {{"gain", {level.dim}}};
    case EntranceRows::kLearned:
      return {{"rows", {level.position_span, level.dim}}};
  }
  return {};
}

int64_t PositionCentre(const ModelConfig& config, int level) {
  return ItemsHeld(config, level) / 2;
}

int64_t LeastFadingSpan(const ModelConfig& config, int level) {
  return (ItemsHeld(config, level) + kSpansHeld - 1) / kSpansHeld;
}

}  // namespace strata
