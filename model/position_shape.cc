#include "model/position_shape.h"

#include "model/decoder_places.h"

namespace strata {
namespace {

// ln(1 / zeta(0)) = 1.25: q and k of an item are scaled by e^(1.25 * 32) at most.
constexpr int64_t kSpansHeld = 64;

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

std::vector<PositionTensor> LayerPositionTensors(const LevelConfig& level,
                                                 Scope scope) {
  const int64_t d = level.dim;
  std::vector<PositionTensor> tensors;
  switch (level.position->relative) {
    case RelativeKeys::kNone:
      break;
    case RelativeKeys::kLearned:
      tensors.push_back(
          {"key", {DistanceRowsOf(level, scope).rows(), d / level.heads}});
      break;
    case RelativeKeys::kSinusoids:
      tensors.push_back({"key.weight", {d, d}});
      tensors.push_back({"content", {d}});
      tensors.push_back({"distance", {d}});
      break;
  }
  if (level.position->factor) {
    tensors.push_back({"slope", {level.heads}});
    tensors.push_back({"offset", {level.heads}});
  }
  if (level.position->adaptive) tensors.push_back({"span", {level.heads}});
  return tensors;
}

DistanceRows DistanceRowsOf(const LevelConfig& level, Scope scope) {
  const int64_t span = level.position_span;
  return {scope == Scope::kBidirBlock ? -span : 0, span};
}

int64_t ItemsHeld(const ModelConfig& config, int level) {
  return DecoderPlaces(config.levels[level],
                       MaxItems(config, level, config.max_context) + 1);
}

SpanShape SpanOf(const LevelConfig& level) {
  const int64_t longest = level.position_span;
  return {longest, std::clamp<int64_t>(longest / 8, 1, 32)};
}

int64_t LeastSight(const ModelConfig& config, int l) {
  const LevelConfig& level = config.levels[l];
  int64_t sight = 1;
  const auto look = [&](int layers, const ScopeSpec& spec) {
    if (layers == 0) return;
    const ScopeRule& rule = RuleOf(spec.scope);
    const bool own_block =
        spec.scope == Scope::kBlock || spec.scope == Scope::kBidirBlock;
    int64_t back = ItemsHeld(config, l);
    if (own_block) back = spec.block;
    const bool ends = rule.keeps == nullptr || rule.pooled != nullptr;
    if (rule.span != nullptr && ends) back = rule.span(spec);
    sight = std::max(sight, back);
  };
  look(level.enc_layers, SpecOf(level, level.enc_scope));
  look(level.dec_layers, DecoderSpec(level));
  return sight;
}

std::vector<double> ScaleRates(const LevelConfig& level) {
  std::vector<double> rates;
  if (level.position->log_scale == nullptr) return rates;
  const int64_t pairs = level.dim / level.heads / 2;
  for (int64_t m = 0; m < pairs; ++m) {
    rates.push_back(level.position->log_scale(m, pairs) / level.position_span);
  }
  return rates;
}

int64_t PositionCentre(const ModelConfig& config, int level) {
  return ItemsHeld(config, level) / 2;
}

int64_t LeastFadingSpan(const ModelConfig& config, int level) {
  return (ItemsHeld(config, level) + kSpansHeld - 1) / kSpansHeld;
}

}  // namespace strata
