#include "model/nn/cpu_kernels.h"

#include <cmath>

namespace strata {
namespace {

// Sums side by side, so that additions overlap; always in the same order.
constexpr int64_t kLanes = 16;

template <typename T>
T Dot(const T* a, const T* b, int64_t n) {
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += a[i + k] * b[i + k];
  }
  T total = 0;
  for (; i < n; ++i) total += a[i] * b[i];
  for (int64_t k = 0; k < kLanes; ++k) total += lanes[k];
  return total;
}

// 64 random bits of position `k` (the finaliser of SplitMix64).
inline uint64_t Bits(uint64_t seed, uint64_t k) {
  uint64_t z = seed + (k + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

template <typename T>
void NormRows(const T* x, const T* weight, int64_t rows, int64_t dim,
              double epsilon, T* y, T* scale) {
  for (int64_t r = 0; r < rows; ++r, x += dim, y += dim) {
    const T s = 1 / std::sqrt(Dot(x, x, dim) / static_cast<T>(dim) +
                              static_cast<T>(epsilon));
    scale[r] = s;
    for (int64_t d = 0; d < dim; ++d) y[d] = x[d] * s * weight[d];
  }
}

template <typename T>
void NormRowsBackward(const T* x, const T* weight, const T* scale,
                      const T* grad_y, int64_t rows, int64_t dim, T* grad_x,
                      T* grad_weight) {
  for (int64_t r = 0; r < rows; ++r, x += dim, grad_y += dim, grad_x += dim) {
    const T s = scale[r];
    // grad_x holds grad_y * weight until the row's sum is known.
    for (int64_t d = 0; d < dim; ++d) {
      grad_weight[d] += grad_y[d] * x[d] * s;
      grad_x[d] = grad_y[d] * weight[d];
    }
    const T shared = Dot(grad_x, x, dim) * s * s * s / static_cast<T>(dim);
    for (int64_t d = 0; d < dim; ++d) grad_x[d] = grad_x[d] * s - x[d] * shared;
  }
}

template <typename T>
void RotateHeads(const T* x, const T* cos, const T* sin, int64_t heads,
                 int64_t head_dim, T direction, T* y) {
  const int64_t half = head_dim / 2;
  for (int64_t h = 0; h < heads; ++h, x += head_dim, y += head_dim) {
    for (int64_t m = 0; m < half; ++m) {
      const T turned = sin[m] * direction;
      const T a = x[m];
      const T b = x[m + half];
      y[m] = a * cos[m] - b * turned;
      y[m + half] = b * cos[m] + a * turned;
    }
  }
}

template <typename T>
void AddDroppedRun(const T* x, const T* update, int64_t begin, int64_t count,
                   uint64_t seed, uint32_t drop, T gain, T* y) {
  for (int64_t i = 0; i < count; i += 4) {
    uint64_t bits = Bits(seed, static_cast<uint64_t>(begin + i) / 4);
    const int64_t end = i + 4 < count ? i + 4 : count;
    for (int64_t k = i; k < end; ++k, bits >>= 16) {
      const T factor = (bits & 0xFFFF) >= drop ? gain : T{0};
      y[k] = (x != nullptr ? x[k] : T{0}) + update[k] * factor;
    }
  }
}

#define STRATA_INSTANTIATE(T)                                                \
  template void NormRows<T>(const T*, const T*, int64_t, int64_t, double,    \
                            T*, T*);                                         \
  template void NormRowsBackward<T>(const T*, const T*, const T*, const T*,  \
                                    int64_t, int64_t, T*, T*);               \
  template void RotateHeads<T>(const T*, const T*, const T*, int64_t,        \
                               int64_t, T, T*);                              \
  template void AddDroppedRun<T>(const T*, const T*, int64_t, int64_t,       \
                                 uint64_t, uint32_t, T, T*);
STRATA_INSTANTIATE(float)
STRATA_INSTANTIATE(double)
#undef STRATA_INSTANTIATE

}  // namespace strata
