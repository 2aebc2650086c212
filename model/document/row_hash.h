#pragma once
// RowHash: which row of a hashed table stands for a run of bytes, taken in from its last
// byte to its first. A plain value.

#include <cstdint>

namespace strata {

class RowHash {
 public:
  void Take(uint8_t byte) { hash_ = hash_ * kMultiplier + byte + 1; }

  // In [0, buckets).
  int64_t Among(int64_t buckets) const {
    const uint64_t mixed = (hash_ ^ (hash_ >> 32)) * kMultiplier >> 32;
    return static_cast<int64_t>(mixed % static_cast<uint64_t>(buckets));
  }

 private:
  static constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;

  uint64_t hash_ = 0;
};

}  // namespace strata
