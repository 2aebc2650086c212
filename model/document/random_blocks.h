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
// block `own`. Draw d takes the (RandomBits(layer, own, d) mod left)-th of those left.
inline std::vector<int64_t> RandomBlocks(int layer, int64_t own, int64_t blocks,
                                         int64_t count) {
  std::vector<int64_t> taken;  // ascending: the near ones, then those drawn too
  for (const int64_t b : {own - 1, own, own + 1}) {
    if (b >= 0 && b < blocks) taken.push_back(b);
  }
  std::vector<int64_t> drawn;
  for (int64_t d = 0; d < count; ++d) {
    const auto left = blocks - static_cast<int64_t>(taken.size());
    if (left <= 0) break;
    auto block = static_cast<int64_t>(RandomBits(layer, own, d) % left);
    auto at = taken.begin();
    for (; at != taken.end() && *at <= block; ++at) ++block;
    taken.insert(at, block);
    drawn.push_back(block);
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

}  // namespace strata
