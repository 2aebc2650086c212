#pragma once
// e^x of vectors of floats (GCC vector extensions), for kernels and for sampling.
// Internal linkage: files that are compiled for other instruction sets must not share
// one copy.

#include <cstdint>

namespace strata {
namespace {

// x = n ln 2 + r, a polynomial in r (Cephes; relative error below 2e-7), exponent bits
// from n. 0 below -87.3 and for -inf; saturates above 88. F: a vector of float, I: of as
// many int32_t.
template <typename F, typename I>
static inline __attribute__((always_inline)) F VectorExp(F x) {
  const I live = x > -87.3f;
  F c = x > 88.0f ? F{} + 88.0f : x;
  c = live ? c : F{} - 87.3f;
  const F magic = F{} + 12582912.0f;  // 1.5 * 2^23: rounds to an integer
  const F shifted = c * 1.44269504f + magic;
  const F n = shifted - magic;
  F r = c - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  F p = F{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const I bits = ((I)shifted - (I)magic) << 23;
  return (F)(((I)p + bits) & live);
}

}  // namespace
}  // namespace strata
