#pragma once
// Linear attention of one head (model/nn/linear_attention.h). See kernels_impl.h for
// what the including file defines and why everything has internal linkage. An element
// of S and of z is one chain of additions in order of item, one of a result a chain in
// order of feature, whether items come one by one or in tiles.

#include "model/decode/kernels.h"
#include "model/decode/kernels_gate.h"
#include "model/decode/kernels_math.h"

namespace strata {
namespace STRATA_ISA {
namespace {

// x + 1 where x > 0, else e^x.
template <typename T>
STRATA_INLINE void SumFeatures(const T* x, int64_t n, T* out) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < n; i += L) {
    const Vec<T> v = LoadSome(x + i, n - i);
    const Vec<T> e = Exp(v > T(0) ? Vec<T>{} : v);
    StoreSome(out + i, v > T(0) ? v + T(1) : e, n - i);
  }
}

// NV vectors of columns from d on, the last one with `left` lanes where !kWhole.
template <typename T, int Q, int NV, bool kWhole>
STRATA_INLINE void SumColumns(const SumArgs<T>& a, int64_t item, int64_t d,
                              int64_t left, const T* norms) {
  constexpr int L = kLanes<T>;
  const int64_t width = a.head_dim;
  const T* keys = a.features;
  const T* queries = a.features + kQueryTile * width;
  Vec<T> values[Q][NV], mixed[Q][NV] = {};
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
    for (int g = 0; g < NV; ++g) {
      const T* v = a.v + (item + q) * a.stride + d + g * L;
      values[q][g] = kWhole ? Load<Vec<T>>(v) : LoadSome(v, left);
    }
  }
  for (int64_t f = 0; f < width; ++f) {
    T* sums = a.sums + f * a.sums_stride + d;
#pragma GCC unroll 8
    for (int g = 0; g < NV; ++g) {
      Vec<T> s = kWhole ? Load<Vec<T>>(sums + g * L) : LoadSome(sums, left);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) {
        s += keys[q * width + f] * values[q][g];
        mixed[q][g] += queries[q * width + f] * s;
      }
      if constexpr (kWhole) {
        Store(sums + g * L, s);
      } else {
        StoreSome(sums, s, left);
      }
    }
  }
  if (a.out == nullptr) return;
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
    for (int g = 0; g < NV; ++g) {
      T* out = a.out + (item + q) * a.out_stride + d + g * L;
      const Vec<T> y = mixed[q][g] / norms[q];
      if constexpr (kWhole) {
        Store(out, y);
      } else {
        StoreSome(out, y, left);
      }
    }
  }
}

template <typename T, int Q>
STRATA_INLINE void SumTile(const SumArgs<T>& a, int64_t item) {
  constexpr int L = kLanes<T>;
  constexpr int NV = Q == 1 ? 4 : 1;
  const int64_t width = a.head_dim;
  T* keys = a.features;
  T* queries = a.features + kQueryTile * width;
  for (int q = 0; q < Q; ++q) {
    SumFeatures(a.k + (item + q) * a.stride, width, keys + q * width);
    SumFeatures(a.q + (item + q) * a.stride, width, queries + q * width);
  }
  T norms[Q] = {};
  T* z = a.sums + width * a.sums_stride;
  for (int64_t f = 0; f < width; ++f) {
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
      z[f] += keys[q * width + f];
      norms[q] += queries[q * width + f] * z[f];
    }
  }
  for (int q = 0; q < Q; ++q) norms[q] = norms[q] > T(1e-6) ? norms[q] : T(1e-6);
  int64_t d = 0;
  for (; d + NV * L <= width; d += NV * L) {
    SumColumns<T, Q, NV, true>(a, item, d, L, norms);
  }
  for (; d + L <= width; d += L) SumColumns<T, Q, 1, true>(a, item, d, L, norms);
  if (d < width) SumColumns<T, Q, 1, false>(a, item, d, width - d, norms);
}

template <typename T>
void AttendSums(const SumArgs<T>& a) {
  int64_t item = 0;
  for (; item + kQueryTile <= a.count; item += kQueryTile) {
    SumTile<T, kQueryTile>(a, item);
  }
  for (; item < a.count; ++item) SumTile<T, 1>(a, item);
}

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
