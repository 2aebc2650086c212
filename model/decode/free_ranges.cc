#include "model/decode/free_ranges.h"

#include <iterator>

namespace strata {

std::optional<int64_t> FreeRanges::Take(int64_t count) {
  for (auto it = ranges_.begin(); it != ranges_.end(); ++it) {
    const auto [begin, size] = *it;
    if (size < count) continue;
    ranges_.erase(it);
    if (size > count) ranges_[begin + count] = size - count;
    return begin;
  }
  return std::nullopt;
}

Range FreeRanges::Give(int64_t begin, int64_t count) {
  auto range = ranges_.emplace(begin, count).first;
  const auto next = std::next(range);
  if (next != ranges_.end() && begin + count == next->first) {
    range->second += next->second;
    ranges_.erase(next);
  }
  if (range != ranges_.begin()) {
    const auto before = std::prev(range);
    if (before->first + before->second == range->first) {
      before->second += range->second;
      ranges_.erase(range);
      range = before;
    }
  }
  return {range->first, range->second};
}

}  // namespace strata
