#include "model/decode/turn_table.h"

#include <algorithm>

namespace strata {
namespace {

std::vector<double> Rates(const LevelConfig& level, int64_t pairs) {
  std::vector<double> rates;
  if (level.position->log_scale == nullptr) return rates;
  for (int64_t m = 0; m < pairs; ++m) {
    rates.push_back(level.position->log_scale(m, pairs) / level.position_span);
  }
  return rates;
}

}  // namespace

TurnTable::TurnTable(const ModelConfig& config, int level)
    : turns_(config.levels[level].position->turns),
      half_(config.levels[level].dim / config.levels[level].heads / 2),
      angles_(config.rope_theta, 2 * half_,
              std::max(MaxItems(config, level, config.max_context) + 1,
                       TreeRopeRows(TreeOf(config.levels[level])))),
      rates_(Rates(config.levels[level], half_)),
      centre_(PositionCentre(config, level)),
      key_offset_(rates_.empty() ? 0 : 2 * half_) {}

}  // namespace strata
