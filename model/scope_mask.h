#pragma once
// The one definition of what a scope lets a query see. The training masks, the
// availability pass and the decoders' tests are all built from it, so that a
// mask bug cannot hide from the proof. Pure functions, thread-safe.

#include <cstdint>

#include "model/model_config.h"

namespace strata {

// First and one-past-last key that query item i sees under `scope`, given
// `block` (for the block scopes) and `window`, among items [0, n).
struct KeyRange {
  int64_t begin = 0;
  int64_t end = 0;
};

inline KeyRange VisibleKeys(Scope scope, int64_t i, int64_t n, int window,
                            int block) {
  switch (scope) {
    case Scope::kFull:
      return {0, i + 1};
    case Scope::kWindow:
      return {i + 1 > window ? i + 1 - window : 0, i + 1};
    case Scope::kBlock:
    case Scope::kTree:  // with its leaf as `block`; nodes: model/tree_nodes.h
      return {i - i % block, i + 1};
    case Scope::kBidirBlock: {
      const int64_t begin = i - i % block;
      return {begin, begin + block < n ? begin + block : n};
    }
  }
  return {};
}

}  // namespace strata
