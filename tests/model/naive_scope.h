#pragma once
// What a scope shows, straight from its definition, pair by pair: shares nothing with
// the rules (model/scope_rule.h). The tree has tests of its own.

#include <cstdint>

#include "model/model_config.h"

namespace strata::testing {

// Of the compressive scope: the run of an item has left the query's window, which is
// when the query would see a part of it alone.
inline bool NaiveLeft(const ScopeSpec& spec, int64_t query, int64_t item) {
  return query - item / spec.rate * spec.rate >= spec.window;
}

// Whether the query sees the mean of the run whose last item is `item`.
inline bool NaiveSeesMean(const ScopeSpec& spec, int64_t query, int64_t item) {
  if (PooledItems(spec) == 1 || item > query || (item + 1) % spec.rate != 0) return false;
  const int64_t later = item + int64_t{spec.packed} * spec.rate;
  return NaiveLeft(spec, query, item) && !(later <= query && NaiveLeft(spec, query, later));
}

inline bool NaiveSees(const ScopeSpec& spec, int64_t query, int64_t key) {
  const int64_t distance = query - key;
  if (spec.scope == Scope::kBidirBlock) {
    return query / spec.block == key / spec.block;
  }
  if (distance < 0) return false;
  switch (spec.scope) {
    case Scope::kFull:
    case Scope::kLinear:
      return true;
    case Scope::kWindow:
      return distance < spec.window;
    case Scope::kBlock:
      return query / spec.block == key / spec.block;
    case Scope::kDilated:
      return distance % spec.dilation == 0 &&
             distance / spec.dilation < spec.window;
    case Scope::kStrided:
      return distance < spec.window || key % spec.stride == spec.stride - 1;
    case Scope::kCompressive:
      return !NaiveLeft(spec, query, key);
    case Scope::kGlobalLocal:
      return distance < spec.window || key < spec.global_items;
    default:
      return false;
  }
}

// Keys of items [0, n).
inline int64_t NaiveCount(const ScopeSpec& spec, int64_t query, int64_t n) {
  int64_t count = 0;
  for (int64_t key = 0; key < n; ++key) count += NaiveSees(spec, query, key);
  return count;
}

}  // namespace strata::testing
