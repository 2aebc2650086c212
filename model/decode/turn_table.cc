#include "model/decode/turn_table.h"

#include <algorithm>

namespace strata {

TurnTable::TurnTable(const ModelConfig& config, int level)
    : turns_(config.levels[level].position->turns),
      half_(config.levels[level].dim / config.levels[level].heads / 2),
      angles_(config.rope_theta, 2 * half_,
              std::max(ItemsHeld(config, level),
                       TreeRopeRows(TreeOf(config.levels[level])))),
      rates_(ScaleRates(config.levels[level])),
      centre_(PositionCentre(config, level)),
      key_offset_(rates_.empty() ? 0 : 2 * half_) {}

}  // namespace strata
