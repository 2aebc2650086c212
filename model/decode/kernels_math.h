#pragma once
// Vectors and elementary functions of the kernels. See kernels_impl.h for what
// the including file defines and why everything has internal linkage.

#include <cstdint>

#include "model/vector_exp.h"

#define STRATA_INLINE static inline __attribute__((always_inline))

namespace strata {
namespace STRATA_ISA {
namespace {

// A value that is rounded before it is used: a product that an addition may follow in one
// tile and not in another must not become one rounding with it.
#if __has_builtin(__builtin_assoc_barrier)
#define STRATA_ROUNDED(x) __builtin_assoc_barrier(x)
#else
#define STRATA_ROUNDED(x) __arithmetic_fence(x)
#endif

typedef float VecF __attribute__((vector_size(STRATA_VECTOR_BYTES)));
typedef double VecD __attribute__((vector_size(STRATA_VECTOR_BYTES)));
typedef int32_t VecI __attribute__((vector_size(STRATA_VECTOR_BYTES)));
typedef float UnalignedF
    __attribute__((vector_size(STRATA_VECTOR_BYTES), aligned(4), may_alias));
typedef double UnalignedD
    __attribute__((vector_size(STRATA_VECTOR_BYTES), aligned(8), may_alias));

template <typename T>
struct Simd;
template <>
struct Simd<float> {
  using V = VecF;
  using U = UnalignedF;
};
template <>
struct Simd<double> {
  using V = VecD;
  using U = UnalignedD;
};
template <typename T>
using Vec = typename Simd<T>::V;

template <typename T>
inline constexpr int kLanes = STRATA_VECTOR_BYTES / int(sizeof(T));

// A vector, or one value where a width is not a multiple of the lanes.
template <typename V, typename T>
STRATA_INLINE V Load(const T* p) {
  if constexpr (sizeof(V) == sizeof(T)) {
    return *p;
  } else {
    return *reinterpret_cast<const typename Simd<T>::U*>(p);
  }
}
template <typename V, typename T>
STRATA_INLINE void Store(T* p, V v) {
  if constexpr (sizeof(V) == sizeof(T)) {
    *p = v;
  } else {
    *reinterpret_cast<typename Simd<T>::U*>(p) = v;
  }
}

// ---- elementary functions ---------------------------------------------------

STRATA_INLINE VecF Exp(VecF x) { return VectorExp<VecF, VecI>(x); }
STRATA_INLINE VecD Exp(VecD x) {
  VecD y;
#pragma GCC unroll 8
  for (int i = 0; i < kLanes<double>; ++i) y[i] = __builtin_exp(x[i]);
  return y;
}

// x/2 (1 + tanh(s)) = x / (1 + e^(-2 s)), s = sqrt(2/pi) (x + 0.044715 x^3).
template <typename T>
STRATA_INLINE Vec<T> GeluTanh(Vec<T> x) {
  const T scale = T(-2 * 0.79788456080286535588);
  const Vec<T> s = x * scale * (x * x * T(0.044715) + T(1));
  return x / (Exp(s) + T(1));
}

template <typename T>
STRATA_INLINE T SumLanes(Vec<T> v) {
  T sum = v[0];
#pragma GCC unroll 16
  for (int i = 1; i < kLanes<T>; ++i) sum += v[i];
  return sum;
}

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
