#pragma once
// In how many numbers a datastore holds a key (model/datastore/key_space.h). Pure.

#include <cstdint>

namespace strata {

// Whole vectors of so many, bfloat16 each.
inline constexpr int64_t kKeyLanes = 16;

inline constexpr int64_t PaddedKey(int64_t dim) {
  return (dim + kKeyLanes - 1) / kKeyLanes * kKeyLanes;
}

}  // namespace strata
