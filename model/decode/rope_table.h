#pragma once
// Cosines and sines of i * theta^(-2m / K) for any item i, in double, from two
// small tables: i = 256 a + b, and the sum of two angles. Exact to a few ulp of
// double at every i, where a float angle is already wrong in the fifth digit
// at i = 1000. Immutable after construction, thread-safe.

#include <cstdint>
#include <vector>

namespace strata {

class RopeTable {
 public:
  // For items [0, max_items), head width `head_dim`.
  RopeTable(double theta, int64_t head_dim, int64_t max_items);

  // out[0 .. K/2) = cosines, out[K/2 .. K) = sines for item i.
  template <typename T>
  void Fill(int64_t i, T* out) const {
    const double* a = coarse_.data() + (i / kStep) * 2 * half_;
    const double* b = fine_.data() + (i % kStep) * 2 * half_;
    for (int64_t m = 0; m < half_; ++m) {
      const double ca = a[m], sa = a[half_ + m];
      const double cb = b[m], sb = b[half_ + m];
      out[m] = static_cast<T>(ca * cb - sa * sb);
      out[half_ + m] = static_cast<T>(sa * cb + ca * sb);
    }
  }

 private:
  static constexpr int64_t kStep = 256;
  int64_t half_;
  std::vector<double> fine_;    // [256][2][K/2]
  std::vector<double> coarse_;  // [max_items / 256 + 1][2][K/2]
};

}  // namespace strata
