#pragma once
// What a product does with weights of each type: one struct a type, which says how rows
// of x are read, how a word of a panel joins a sum, and what the sum becomes. See
// kernels_impl.h for what the including file defines and why everything has internal
// linkage.
//
//   kFull  one weight a word; x as it is; a fused multiply-add each
//   kBf16  words of two weights, of k and k + 1. Where the machine multiplies bf16
//          (kernels_bf16_units.h) rows of x are rounded to it; elsewhere x is as it is,
//          and weights are expanded: two fused multiply-adds in order of k
//   kInt8  words of four weights (kernels_int8.h)

#include "model/decode/kernels.h"
#include "model/decode/kernels_math.h"
#include "model/decode/kernels_stored.h"

namespace strata {
namespace STRATA_ISA {
namespace {

inline constexpr int kManyVectors = STRATA_VECTOR_BYTES == 64 ? 4 : 2;

template <typename T>
struct FullWeights {
  using Scalar = T;
  using Sum = Vec<T>;
  using Words = Vec<T>;
  static constexpr WeightType kType = WeightType::kFull;
  static constexpr int kDepth = 1;
  static constexpr int kWordBytes = sizeof(T);
  static constexpr int kTileVectors = kManyVectors;

  STRATA_INLINE Words Read(const uint8_t* word) {
    return Load<Vec<T>>(reinterpret_cast<const T*>(word));
  }
  STRATA_INLINE T Values(const uint8_t* x, int64_t step) {
    return reinterpret_cast<const T*>(x)[step];
  }
  STRATA_INLINE T LastValues(const uint8_t* x, int64_t step) {
    return Values(x, step);
  }
  STRATA_INLINE void Add(Sum* sum, T x, Words w) { *sum += x * w; }
  STRATA_INLINE Vec<T> Result(Sum sum, const uint8_t* /*x*/,
                              const uint8_t* /*behind*/) {
    return sum;
  }
};

// Words of 32 bits of a panel.
STRATA_INLINE VecI ReadWords(const uint8_t* word) {
  return (VecI)*reinterpret_cast<const UnalignedF*>(word);
}

// Several weights a word of 32 bits.
struct NarrowWeights {
  using Scalar = float;
  using Words = VecI;
  static constexpr int kWordBytes = 4;

  STRATA_INLINE Words Read(const uint8_t* word) { return ReadWords(word); }
};

struct ExpandedBf16 : NarrowWeights {
  using Sum = VecF;
  static constexpr WeightType kType = WeightType::kBf16;
  static constexpr int kDepth = 2;
  static constexpr int kTileVectors = 2;

  struct Pair {
    float first, second;
  };
  STRATA_INLINE Pair Values(const uint8_t* x, int64_t step) {
    const float* pair = reinterpret_cast<const float*>(x) + 2 * step;
    return {pair[0], pair[1]};
  }
  STRATA_INLINE Pair LastValues(const uint8_t* x, int64_t step) {
    return {reinterpret_cast<const float*>(x)[2 * step], 0};
  }
  STRATA_INLINE void Add(Sum* sum, Pair x, Words w) {
    *sum += x.first * (VecF)(w << 16);
    *sum += x.second * (VecF)(w & ~0xFFFF);
  }
  STRATA_INLINE VecF Result(Sum sum, const uint8_t* /*x*/,
                            const uint8_t* /*behind*/) {
    return sum;
  }
};

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
