#include "model/inspect/level_items.h"

namespace strata {
namespace {

std::vector<ItemRange> FixedUnits(int64_t items, int64_t block) {
  std::vector<ItemRange> units;
  for (int64_t begin = 0; begin + block <= items; begin += block) {
    units.push_back({begin, begin + block});
  }
  return units;
}

std::vector<ItemRange> UnitsEnding(absl::Span<const uint8_t> ends) {
  std::vector<ItemRange> units;
  int64_t begin = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    if (ends[i] == 0) continue;
    const auto end = static_cast<int64_t>(i) + 1;
    units.push_back({begin, end});
    begin = end;
  }
  return units;
}

}  // namespace

std::vector<LevelItems> ItemsOfLevels(const ModelConfig& config,
                                      absl::Span<const int64_t> lengths,
                                      absl::Span<const uint8_t> ends) {
  std::vector<LevelItems> levels(config.levels.size());
  int64_t at = 0;
  for (const int64_t length : lengths) {
    levels[0].bytes.push_back({at, at + length});
    at += length;
  }
  for (size_t l = 0; l + 1 < levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    LevelItems& here = levels[l];
    here.units = level.block_rule == BlockRule::kFixed
                     ? FixedUnits(static_cast<int64_t>(here.bytes.size()),
                                  level.block)
                     : UnitsEnding(ends);
    for (const ItemRange& unit : here.units) {
      levels[l + 1].bytes.push_back(
          {here.bytes[static_cast<size_t>(unit.begin)].begin,
           here.bytes[static_cast<size_t>(unit.end) - 1].end});
    }
  }
  return levels;
}

}  // namespace strata
