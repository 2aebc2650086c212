#pragma once
// From the types in which keys, values and weights are stored to the scalar of
// arithmetic, and back: rounding to nearest, ties to even, the same in a vector and in
// a remainder. See kernels_impl.h for what the including file defines and why
// everything has internal linkage.

#include "model/decode/kernels.h"
#include "model/decode/kernels_math.h"

#if defined(__F16C__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace strata {
namespace STRATA_ISA {
namespace {

struct Fp16 {
  uint16_t bits;
};
struct Bf16 {
  uint16_t bits;
};

typedef uint32_t VecU __attribute__((vector_size(STRATA_VECTOR_BYTES)));
typedef uint16_t VecH __attribute__((vector_size(STRATA_VECTOR_BYTES / 2)));
typedef uint16_t UnalignedH
    __attribute__((vector_size(STRATA_VECTOR_BYTES / 2), aligned(2), may_alias));

STRATA_INLINE VecH LoadHalves(const void* p) {
  return *static_cast<const UnalignedH*>(p);
}
STRATA_INLINE void StoreHalves(void* p, VecH v) {
  *static_cast<UnalignedH*>(p) = v;
}

// ---- bits to bits: V float or VecF, U the unsigned words of equal width -----

template <typename V, typename U>
STRATA_INLINE V Bf16Value(U bits) {
  return __builtin_bit_cast(V, bits << 16);
}
// A NaN stays one.
template <typename V, typename U>
STRATA_INLINE U Bf16Bits(V value) {
  const U bits = __builtin_bit_cast(U, value);
  const U rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  return (bits & 0x7FFFFFFFu) > 0x7F800000u ? (bits >> 16) | 0x40u : rounded;
}

// The exponent's bias is taken up by a product, which is exact, of subnormals too.
template <typename V, typename U>
STRATA_INLINE V Fp16Value(U bits) {
  const V magnitude =
      __builtin_bit_cast(V, (bits & 0x7FFFu) << 13) * 0x1p112f;
  return __builtin_bit_cast(
      V, __builtin_bit_cast(U, magnitude) | ((bits & 0x8000u) << 16));
}
// Below 2^-14 the addition of 1/2 rounds; the last bits of the sum are the result.
template <typename V, typename U>
STRATA_INLINE U Fp16Bits(V value) {
  const U bits = __builtin_bit_cast(U, value);
  const U sign = (bits >> 16) & 0x8000u;
  U size = bits & 0x7FFFFFFFu;
  const U no_number = size > 0x7F800000u ? U{} + 1u : U{};
  size = size > 0x477FE000u ? U{} + 0x477FE000u : size;
  const U small =
      __builtin_bit_cast(U, __builtin_bit_cast(V, size) + 0.5f) - 0x3F000000u;
  const U normal = (size - 0x38000000u + 0xFFFu + ((size >> 13) & 1u)) >> 13;
  const U rounded = size < 0x38800000u ? small : normal;
  return sign | (no_number != 0u ? U{} + 0x7E00u : rounded);
}

// ---- loads: V a vector, or one value in a remainder -------------------------

template <typename V>
STRATA_INLINE V Load(const Bf16* p) {
  if constexpr (sizeof(V) == sizeof(float)) {
    return Bf16Value<float, uint32_t>(p->bits);
  } else {
    return Bf16Value<VecF, VecU>(__builtin_convertvector(LoadHalves(p), VecU));
  }
}

template <typename V>
STRATA_INLINE V Load(const Fp16* p) {
  if constexpr (sizeof(V) == sizeof(float)) {
    return Fp16Value<float, uint32_t>(p->bits);
  } else {
#if defined(__AVX512F__)
    // Of all lanes: the form without a mask warns in GCC 12.
    return (VecF)_mm512_maskz_cvtph_ps(0xFFFF, (__m256i)LoadHalves(p));
#elif defined(__F16C__)
    return (VecF)_mm256_cvtph_ps((__m128i)LoadHalves(p));
#else
    return Fp16Value<VecF, VecU>(__builtin_convertvector(LoadHalves(p), VecU));
#endif
  }
}

// ---- stores of a vector, or of one value ------------------------------------

STRATA_INLINE void Store(Bf16* p, VecF v) {
  StoreHalves(p, __builtin_convertvector((Bf16Bits<VecF, VecU>(v)), VecH));
}
STRATA_INLINE void Store(Bf16* p, float v) {
  p->bits = static_cast<uint16_t>(Bf16Bits<float, uint32_t>(v));
}
STRATA_INLINE void Store(Fp16* p, VecF v) {
  StoreHalves(p, __builtin_convertvector((Fp16Bits<VecF, VecU>(v)), VecH));
}
STRATA_INLINE void Store(Fp16* p, float v) {
  p->bits = static_cast<uint16_t>(Fp16Bits<float, uint32_t>(v));
}

// ---- vectors of a cache -----------------------------------------------------

// Calls f<S>() with the type in which the values are stored.
template <typename T, typename F>
STRATA_INLINE void WithCacheType(CacheType type, F f) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (type == CacheType::kFp16) return f.template operator()<Fp16>();
    if (type == CacheType::kBf16) return f.template operator()<Bf16>();
  }
  f.template operator()<T>();
}

template <typename T, typename S>
STRATA_INLINE void PutAs(const T* from, int64_t n, S* to, int64_t step) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  if (step == 1) {
    for (; i + L <= n; i += L) Store(to + i, Load<Vec<T>>(from + i));
  } else {
    for (; i + L <= n; i += L) {
      S some[L];
      Store(some, Load<Vec<T>>(from + i));
#pragma GCC unroll 16
      for (int j = 0; j < L; ++j) to[(i + j) * step] = some[j];
    }
  }
  for (; i < n; ++i) Store(to + i * step, from[i]);
}

template <typename T>
void Put(const T* from, int64_t n, CacheType type, void* to, int64_t step) {
  WithCacheType<T>(type, [&]<typename S>() {
    PutAs<T, S>(from, n, static_cast<S*>(to), step);
  });
}

template <typename T>
void Take(const void* from, int64_t step, CacheType type, int64_t n, T* to) {
  WithCacheType<T>(type, [&]<typename S>() {
    const S* values = static_cast<const S*>(from);
    for (int64_t i = 0; i < n; ++i) to[i] = Load<T>(values + i * step);
  });
}

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
