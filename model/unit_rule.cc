#include "model/unit_rule.h"

namespace strata {
namespace {

// Ends a unit that must end, or may and is wished to.
bool TakeOne(const LevelConfig& level, bool wished, OpenUnit* open) {
  ++open->items;
  const bool ends = open->items >= level.block ||
                    (wished && open->items >= level.block_min);
  if (ends) open->items = 0;
  return ends;
}

// `take(i, &open)` is whether a unit ends with item i for its own sake.
template <typename Take>
std::vector<uint8_t> EndsOf(size_t items, absl::Span<const int64_t> segments,
                            Take take) {
  std::vector<uint8_t> ends(items);
  OpenUnit open;
  for (size_t i = 0; i < items; ++i) {
    ends[i] = take(i, &open);
    const bool last_of_document = !segments.empty() &&
                                  i + 1 < segments.size() &&
                                  segments[i + 1] != segments[i];
    if (!last_of_document) continue;
    ends[i] = 1;
    open = {};
  }
  return ends;
}

}  // namespace

bool IsSpacelike(Item item) {
  const bool letter =
      (item >= 'a' && item <= 'z') || (item >= 'A' && item <= 'Z');
  const bool digit = item >= '0' && item <= '9';
  const bool inner = item >= 0x80 && item <= 0xBF;
  return !(letter || digit || inner);
}

bool TakeItem(const LevelConfig& level, Item item, OpenUnit* open) {
  if (level.block_rule != BlockRule::kSpacelike) {
    return TakeOne(level, false, open);
  }
  const bool spacelike = IsSpacelike(item);
  const bool ends = TakeOne(level, spacelike && open->in_word, open);
  open->in_word = !spacelike;
  return ends;
}

bool TakeRouted(const LevelConfig& level, bool wished, OpenUnit* open) {
  return TakeOne(level, wished, open);
}

std::vector<uint8_t> UnitEnds(const LevelConfig& level,
                              absl::Span<const int64_t> items,
                              absl::Span<const int64_t> segments) {
  return EndsOf(items.size(), segments, [&](size_t i, OpenUnit* open) {
    return TakeItem(level, static_cast<Item>(items[i]), open);
  });
}

std::vector<uint8_t> RoutedUnitEnds(const LevelConfig& level,
                                    absl::Span<const uint8_t> wished,
                                    absl::Span<const int64_t> segments) {
  return EndsOf(wished.size(), segments, [&](size_t i, OpenUnit* open) {
    return TakeRouted(level, wished[i] != 0, open);
  });
}

}  // namespace strata
