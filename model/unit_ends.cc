#include "model/unit_ends.h"

namespace strata {
namespace {

// Units of `length(k)` items each.
template <typename Length>
UnitEnds EndsOf(int64_t items, Length length) {
  UnitEnds ends(items, 0);
  int64_t end = 0;
  for (int64_t k = 0; (end += length(k)) <= items; ++k) ends[end - 1] = 1;
  return ends;
}

}  // namespace

std::vector<UnitEnds> WaysToEnd(const LevelConfig& level, int64_t items) {
  const int64_t longest = level.block;
  if (longest == 0) return {UnitEnds(items, 0)};
  const auto all = EndsOf(items, [=](int64_t) { return longest; });
  if (level.block_rule == BlockRule::kFixed) return {all};
  const int64_t shortest = level.block_min;
  return {all, EndsOf(items, [=](int64_t) { return shortest; }),
          EndsOf(items, [=](int64_t k) { return k % 2 ? longest : shortest; }),
          EndsOf(items, [=](int64_t k) {
            return shortest + k * k * 7 % (longest - shortest + 1);
          })};
}

}  // namespace strata
