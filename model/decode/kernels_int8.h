#pragma once
// Products with int8 weights. Each row of x is rounded to whole numbers in [-127, 127]
// by a scale of its own, and sums are of whole numbers, so exact: the order of
// summation, the batch and the instruction set cannot change one. Behind the words of a
// panel lie, per column, its scale and 128 times the sum of its weights.
//
//   y = (sum of x w) * column's scale * row's scale
//
// Where the machine multiplies bytes (VNNI) it wants one side unsigned: x + 128, whose
// surplus is 128 times the sum of the weights. Elsewhere products are of 16 bits.
// A value that is no number makes its row's scale one that is none. See
// kernels_weights.h.

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "model/decode/kernels_weights.h"

namespace strata {
namespace STRATA_ISA {
namespace {

// Of a row of x: its scale, then its values.
inline constexpr int64_t kInt8RowHead = 64;
#if defined(__AVX512VNNI__)
inline constexpr bool kByteUnits = true;
#else
inline constexpr bool kByteUnits = false;
#endif

typedef int16_t VecS __attribute__((vector_size(STRATA_VECTOR_BYTES)));

// Per 32 bits: the sum of the products of two pairs of 16.
STRATA_INLINE VecI MultiplyPairs(VecI a, VecI b) {
#if defined(__AVX512BW__)
  return (VecI)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (VecI)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (VecI)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

struct Int8Weights : NarrowWeights {
  using Sum = VecI;
  static constexpr WeightType kType = WeightType::kInt8;
  static constexpr int kDepth = 4;
  static constexpr int kTileVectors = kByteUnits ? 4 : 2;

  // Four values: bytes; or pairs of 16 bits, of the even ones and of the odd ones.
  struct Four {
    VecI even, odd;
  };
  STRATA_INLINE Four Values(const uint8_t* x, int64_t step) {
    const auto* words = reinterpret_cast<const int32_t*>(x + kInt8RowHead);
    if constexpr (kByteUnits) {
      return {VecI{} + words[step], VecI{}};
    } else {
      return {VecI{} + words[2 * step], VecI{} + words[2 * step + 1]};
    }
  }
  STRATA_INLINE Four LastValues(const uint8_t* x, int64_t step) {
    return Values(x, step);  // Prepare has put zeros behind
  }
  STRATA_INLINE void Add(Sum* sum, Four x, Words w) {
#if defined(__AVX512VNNI__)
    *sum = (VecI)_mm512_dpbusd_epi32((__m512i)*sum, (__m512i)x.even, (__m512i)w);
#else
    *sum += MultiplyPairs(x.even, (VecI)(((VecS)w << 8) >> 8)) +
            MultiplyPairs(x.odd, (VecI)((VecS)w >> 8));
#endif
  }
  STRATA_INLINE VecF Result(Sum sum, const uint8_t* x, const uint8_t* behind) {
    if constexpr (kByteUnits) sum -= ReadWords(behind + kPanel * kWordBytes);
    return STRATA_ROUNDED(__builtin_convertvector(sum, VecF) *
                          (VecF)ReadWords(behind) *
                          *reinterpret_cast<const float*>(x));
  }

  static int64_t RowBytes(int64_t k) {
    const int64_t words = (k + 3) / 4 * (kByteUnits ? 1 : 2);
    return kInt8RowHead + (words * 4 + 63) / 64 * 64;
  }
  static void Prepare(const float* x, int64_t x_stride, int64_t m, int64_t k,
                      void* rows) {
    for (int64_t r = 0; r < m; ++r) {
      PrepareRow(x + r * x_stride, k, static_cast<uint8_t*>(rows) + r * RowBytes(k));
    }
  }

 private:
  // Bits of |x| order as the numbers do, and those of no number are above all.
  static float Largest(const float* x, int64_t k) {
    VecU top = {};
    int64_t i = 0;
    for (; i + kLanes<float> <= k; i += kLanes<float>) {
      const VecU size = (VecU)Load<VecF>(x + i) & 0x7FFFFFFFu;
      top = size > top ? size : top;
    }
    uint32_t most = 0;
    for (int j = 0; j < kLanes<float>; ++j) most = top[j] > most ? top[j] : most;
    for (; i < k; ++i) {
      const uint32_t size = __builtin_bit_cast(uint32_t, x[i]) & 0x7FFFFFFFu;
      most = size > most ? size : most;
    }
    return __builtin_bit_cast(float, most);
  }

  static void PrepareRow(const float* x, int64_t k, uint8_t* row) {
    const float largest = Largest(x, k);
    *reinterpret_cast<float*>(row) = largest / 127.0f;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    const float magic = 12582912.0f;  // 1.5 * 2^23: rounds to a whole number
    constexpr int kSome = 64;
    for (int64_t first = 0; first < k; first += kSome) {
      const int64_t count = k - first < kSome ? k - first : kSome;
      alignas(64) float some[kSome] = {};
      int32_t whole[kSome];
      for (int64_t i = 0; i < count; ++i) some[i] = x[first + i];
      for (int i = 0; i < kSome; i += kLanes<float>) {
        const VecI rounded = (VecI)(Load<VecF>(some + i) * inverse + magic) -
                             (VecI)(VecF{} + magic);
        __builtin_memcpy(whole + i, &rounded, sizeof(rounded));
      }
      StoreWhole(whole, (count + 3) / 4 * 4, first, row + kInt8RowHead);
    }
  }

  static void StoreWhole(const int32_t* whole, int64_t count, int64_t first,
                         uint8_t* to) {
    if constexpr (kByteUnits) {
      for (int64_t i = 0; i < count; ++i) {
        to[first + i] = static_cast<uint8_t>(whole[i] + 128);
      }
    } else {
      auto* pairs = reinterpret_cast<int16_t*>(to) + first;
      for (int64_t i = 0; i < count; i += 4) {
        pairs[i] = static_cast<int16_t>(whole[i]);
        pairs[i + 1] = static_cast<int16_t>(whole[i + 2]);
        pairs[i + 2] = static_cast<int16_t>(whole[i + 1]);
        pairs[i + 3] = static_cast<int16_t>(whole[i + 3]);
      }
    }
  }
};

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
