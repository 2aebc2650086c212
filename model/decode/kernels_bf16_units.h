#pragma once
// Products with bf16 weights by a machine's own instruction (AVX512_BF16). It wants x in
// bf16 too, so every row is rounded once before a product, whatever the batch: a row's
// result is the same alone. The instruction adds the two products of a pair to a sum
// in an order of its own, one chain per element. See kernels_weights.h.

#include <immintrin.h>

#include "model/decode/kernels_weights.h"

namespace strata {
namespace STRATA_ISA {
namespace {

struct UnitsBf16 : ExpandedBf16 {
  static constexpr int kTileVectors = 4;

  STRATA_INLINE Words Values(const uint8_t* x, int64_t step) {
    return VecI{} + reinterpret_cast<const int32_t*>(x)[step];
  }
  STRATA_INLINE Words LastValues(const uint8_t* x, int64_t step) {
    return Values(x, step);  // Prepare has put a zero behind
  }
  STRATA_INLINE void Add(Sum* sum, Words x, Words w) {
    *sum = (VecF)_mm512_dpbf16_ps((__m512)*sum, (__m512bh)x, (__m512bh)w);
  }

  static int64_t RowBytes(int64_t k) { return (k + 31) / 32 * 64; }
  static void Prepare(const float* x, int64_t x_stride, int64_t m, int64_t k,
                      void* rows) {
    for (int64_t r = 0; r < m; ++r) {
      auto* row = reinterpret_cast<Bf16*>(static_cast<uint8_t*>(rows) +
                                          r * RowBytes(k));
      PutAs<float, Bf16>(x + r * x_stride, k, row, 1);
      if (k % 2 != 0) row[k].bits = 0;
    }
  }
};

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
