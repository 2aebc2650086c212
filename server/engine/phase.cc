#include "server/engine/phase.h"

#include <algorithm>

namespace strata {

int64_t PhasePeriod(const ModelConfig& config, int64_t wait) {
  int64_t period = 1;
  for (size_t l = 0; l + 1 < config.levels.size(); ++l) {
    if (config.levels[l].block_rule != BlockRule::kFixed) break;
    const int64_t bytes = ItemBytes(config, static_cast<int>(l) + 1);
    if (bytes - 1 > wait) break;
    period = bytes;
  }
  return period;
}

std::vector<bool> HeldForPhase(absl::Span<const PhasedRow> rows) {
  std::vector<bool> held(rows.size(), false);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].joined) continue;
    const auto of_model = [&](const PhasedRow& row) {
      return row.model == rows[i].model;
    };
    auto leader = std::find_if(rows.begin(), rows.end(), [&](const PhasedRow& row) {
      return row.joined && of_model(row);
    });
    if (leader == rows.end()) {
      leader = std::find_if(rows.begin(), rows.end(), of_model);
    }
    held[i] = (leader->size - rows[i].size) % rows[i].period != 0;
  }
  return held;
}

}  // namespace strata
