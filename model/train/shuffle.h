#pragma once
// What every order of data shares: the shuffle of an epoch, and the jump over
// rows that are never fed again. Pure functions.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "model/base/random.h"
#include "model/train/data_cursor.h"

namespace strata {

// Fisher-Yates, a function of (seed, epoch) alone.
template <typename T>
void ShuffleEpoch(uint64_t seed, int64_t epoch, std::vector<T>* items) {
  constexpr uint64_t kOrderStream = uint64_t{1} << 62;
  for (size_t i = items->size(); i > 1; --i) {
    const uint64_t bits =
        RandomBits(seed, kOrderStream + static_cast<uint64_t>(epoch), i);
    std::swap((*items)[i - 1], (*items)[bits % i]);
  }
}

// The end of one window may lie inside another, in any order.
inline void SkipWindows(absl::Span<const DataWindow> skip,
                        DataCursor* cursor) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const DataWindow& window : skip) {
      if (!(window.begin <= *cursor && *cursor < window.end)) continue;
      *cursor = window.end;
      moved = true;
    }
  }
}

}  // namespace strata
