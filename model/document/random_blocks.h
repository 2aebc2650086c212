#pragma once
// The blocks that a block of queries sees beside its neighbours, drawn once and for ever:
// the random part of BigBird (Zaheer et al. 2020, arXiv 2007.14062), which makes the graph
// of who sees whom an expander. They hang on the layer and on the row's own length alone,
// so neither padding nor other rows move them. A pure function, thread-safe.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/base/random.h"

namespace strata {

// At most `count` different ones of the row's `blocks`, ascending, none within one of
// block `own`. Floyd's way is not taken: there are few, and the order of draws is simple to
// repeat: draw d takes the (RandomBits(layer, own, d) mod left)-th of those left.
inline std::vector<int64_t> RandomBlocks(int layer, int64_t own, int64_t blocks,
                                         int64_t count) {
  std::vector<int64_t> left;
  for (int64_t b = 0; b < blocks; ++b) {
    if (b < own - 1 || b > own + 1) left.push_back(b);
  }
  std::vector<int64_t> drawn;
  while (static_cast<int64_t>(drawn.size()) < count && !left.empty()) {
    const auto at = left.begin() + static_cast<int64_t>(
        RandomBits(layer, own, drawn.size()) % left.size());
    drawn.push_back(*at);
    left.erase(at);
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

}  // namespace strata
