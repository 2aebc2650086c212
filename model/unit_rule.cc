#include "model/unit_rule.h"

namespace strata {

bool IsSpacelike(Item item) {
  const bool letter =
      (item >= 'a' && item <= 'z') || (item >= 'A' && item <= 'Z');
  const bool digit = item >= '0' && item <= '9';
  const bool inner = item >= 0x80 && item <= 0xBF;
  return !(letter || digit || inner);
}

bool TakeItem(const LevelConfig& level, Item item, OpenUnit* open) {
  ++open->items;
  bool ends = open->items >= level.block;
  if (level.block_rule == BlockRule::kSpacelike) {
    const bool spacelike = IsSpacelike(item);
    ends = ends || (spacelike && open->in_word &&
                    open->items >= level.block_min);
    open->in_word = !spacelike;
  }
  if (ends) open->items = 0;
  return ends;
}

std::vector<uint8_t> UnitEnds(const LevelConfig& level,
                              absl::Span<const int64_t> items,
                              absl::Span<const int64_t> segments) {
  std::vector<uint8_t> ends(items.size());
  OpenUnit open;
  for (size_t i = 0; i < items.size(); ++i) {
    ends[i] = TakeItem(level, static_cast<Item>(items[i]), &open);
    const bool last_of_document = !segments.empty() &&
                                  i + 1 < segments.size() &&
                                  segments[i + 1] != segments[i];
    if (!last_of_document) continue;
    ends[i] = 1;
    open = {};
  }
  return ends;
}

}  // namespace strata
