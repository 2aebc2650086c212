#pragma once
// Attention of one head: scores against key chunks, softmax, weighted values.
// See kernels_impl.h. Every sum runs over slots in ascending order, even and
// odd ones apart, whatever the tile. S: how keys and values are stored.

#include "model/decode/kernels.h"
#include "model/decode/kernels_math.h"
#include "model/decode/kernels_stored.h"

namespace strata {
namespace STRATA_ISA {
namespace {

// Scores of Q queries with G vectors of slots; vector j holds the slots
// [j * lanes, (j + 1) * lanes).
template <typename T, typename S, int Q, int G>
STRATA_INLINE void ScoreGroup(const AttendArgs<T>& a, int64_t j, T* scores) {
  constexpr int L = kLanes<T>;
  constexpr int kPerChunk = int(kChunk) / L;
  const S* k[G];
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) {
    k[g] = static_cast<const S*>(a.k) + (j + g) / kPerChunk * a.head_dim * kChunk +
           (j + g) % kPerChunk * L;
  }
  Vec<T> acc[Q][G] = {};
  for (int64_t d = 0; d < a.head_dim; ++d) {
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) {
      const Vec<T> key = Load<Vec<T>>(k[g] + d * kChunk);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) acc[q][g] += a.q[q * a.q_stride + d] * key;
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) {
      Store(scores + q * a.score_stride + g * L, acc[q][g]);
    }
  }
}

// Scores of all slots of the chunks [begin, end), from scores[0].
template <typename T, typename S, int Q>
STRATA_INLINE void Scores(const AttendArgs<T>& a, int64_t begin, int64_t end) {
  constexpr int L = kLanes<T>;
  constexpr int kPerChunk = int(kChunk) / L;
  constexpr int G = Q == 1 ? 8 : (STRATA_VECTOR_BYTES == 64 ? 4 : 2);
  int64_t j = begin * kPerChunk;
  const int64_t last = end * kPerChunk;
  T* scores = a.scores;
  for (; j + G <= last; j += G, scores += G * L) {
    ScoreGroup<T, S, Q, G>(a, j, scores);
  }
  if constexpr (G > 4) {
    for (; j + 4 <= last; j += 4, scores += 4 * L) {
      ScoreGroup<T, S, Q, 4>(a, j, scores);
    }
  }
  for (; j < last; ++j, scores += L) ScoreGroup<T, S, Q, 1>(a, j, scores);
}

// Scores of the slots [base, base + n) with their terms. What stands in place of the
// terms of slots that are not visible is overwritten by Hide.
template <typename T, int Q>
STRATA_INLINE void ApplyTerms(const AttendArgs<T>& a, int64_t base, int64_t n) {
  constexpr int L = kLanes<T>;
  for (int q = 0; q < Q; ++q) {
    T* scores = a.scores + q * a.score_stride;
    const T* terms = a.terms + q * a.score_stride + base;
    for (int64_t i = 0; i < n; i += L) {
      const Vec<T> s = Load<Vec<T>>(scores + i);
      const Vec<T> t = Load<Vec<T>>(terms + i);
      const Vec<T> zero = {};
      Store(scores + i,
            a.rule == ScoreRule::kAdd ? s + t : (s > zero ? s : zero) * t);
    }
  }
}

template <typename T>
STRATA_INLINE void Hide(T* scores, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) scores[i] = -T(__builtin_inf());
}

// scores[0, n) := e^(score - max); returns 1 / sum. n is a multiple of kChunk.
template <typename T>
STRATA_INLINE T Softmax(T* scores, int64_t n) {
  constexpr int L = kLanes<T>;
  Vec<T> top = Load<Vec<T>>(scores);
  for (int64_t i = L; i < n; i += L) {
    const Vec<T> s = Load<Vec<T>>(scores + i);
    top = s > top ? s : top;
  }
  T max = top[0];
#pragma GCC unroll 16
  for (int i = 1; i < L; ++i) max = top[i] > max ? top[i] : max;
  Vec<T> sums = {};
  for (int64_t i = 0; i < n; i += L) {
    const Vec<T> e = Exp(Load<Vec<T>>(scores + i) - max);
    Store(scores + i, e);
    sums += e;
  }
  return T(1) / SumLanes<T>(sums);
}

// The values of a slot, from column d on.
template <typename S, typename T>
STRATA_INLINE const S* ValueRow(const AttendArgs<T>& a, int64_t slot,
                                int64_t d) {
  return static_cast<const S*>(a.v) + slot * a.head_dim + d;
}

// DV vectors of values from column d on: even and odd slots are summed apart,
// which halves the chain that the additions wait for. p[s] weighs slot s.
template <typename T, typename S, typename V, int DV>
STRATA_INLINE void ValueGroup(const AttendArgs<T>& a, const T* p, T inverse,
                              int64_t d) {
  constexpr int L = sizeof(V) / sizeof(T);
  V even[DV] = {};
  V odd[DV] = {};
  for (int64_t i = 0; i <= a.further_count; ++i) {
    const SlotRange range = i == 0 ? a.first : a.further[i - 1];
    int64_t s = range.begin;
    const S* v = ValueRow<S>(a, s, d);
    if ((s & 1) != 0) {
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) odd[g] += p[s] * Load<V>(v + g * L);
      ++s, v += a.head_dim;
    }
    for (; s + 2 <= range.end; s += 2, v += 2 * a.head_dim) {
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) {
        even[g] += p[s] * Load<V>(v + g * L);
        odd[g] += p[s + 1] * Load<V>(v + a.head_dim + g * L);
      }
    }
    if (s < range.end) {
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) even[g] += p[s] * Load<V>(v + g * L);
    }
  }
#pragma GCC unroll 8
  for (int g = 0; g < DV; ++g) {
    Store<V>(a.out + d + g * L, (even[g] + odd[g]) * inverse);
  }
}

// The chunks of what one query sees.
struct SeenChunks {
  int64_t end = 0;  // one more than the last slot that is visible
  int64_t begin_chunk = 0;
  int64_t end_chunk = 0;

  int64_t base() const { return begin_chunk * kChunk; }
  int64_t slots() const { return (end_chunk - begin_chunk) * kChunk; }
};

template <typename T>
STRATA_INLINE SeenChunks ChunksOf(const AttendArgs<T>& a) {
  const int64_t end =
      a.further_count > 0 ? a.further[a.further_count - 1].end : a.first.end;
  return {end, a.first.begin / kChunk, (end + kChunk - 1) / kChunk};
}

// From the scores of the chunks on.
template <typename T, typename S>
STRATA_INLINE void MixAs(const AttendArgs<T>& a, const SeenChunks& chunks) {
  constexpr int L = kLanes<T>;
  const int64_t base = chunks.base();
  const int64_t n = chunks.slots();
  Hide(a.scores, 0, a.first.begin - base);
  int64_t seen = a.first.end;
  for (int64_t i = 0; i < a.further_count; ++i) {
    Hide(a.scores, seen - base, a.further[i].begin - base);
    seen = a.further[i].end;
  }
  Hide(a.scores, chunks.end - base, n);
  const T inverse = Softmax(a.scores, n);
  const T* p = a.scores - base;
  int64_t d = 0;
  for (; d + 4 * L <= a.head_dim; d += 4 * L) {
    ValueGroup<T, S, Vec<T>, 4>(a, p, inverse, d);
  }
  if (d + 2 * L <= a.head_dim) {
    ValueGroup<T, S, Vec<T>, 2>(a, p, inverse, d);
    d += 2 * L;
  }
  if (d + L <= a.head_dim) {
    ValueGroup<T, S, Vec<T>, 1>(a, p, inverse, d);
    d += L;
  }
  for (; d < a.head_dim; ++d) ValueGroup<T, S, T, 1>(a, p, inverse, d);
}

template <typename T, typename S>
STRATA_INLINE void AttendAs(const AttendArgs<T>& a) {
  const SeenChunks chunks = ChunksOf(a);
  Scores<T, S, 1>(a, chunks.begin_chunk, chunks.end_chunk);
  if (a.terms != nullptr) ApplyTerms<T, 1>(a, chunks.base(), chunks.slots());
  MixAs<T, S>(a, chunks);
}

// Query q sees the slots [0, first.end + q).
template <typename T, typename S, typename V, int DV>
STRATA_INLINE void ValueTile(const AttendArgs<T>& a, const T* inverse,
                             int64_t d) {
  constexpr int L = sizeof(V) / sizeof(T);
  V even[kQueryTile][DV] = {};
  V odd[kQueryTile][DV] = {};
  const int64_t common = a.first.end & ~int64_t{1};
  for (int64_t s = 0; s < common;) {
    const int64_t end = s + kChunk < common ? s + kChunk : common;
    const S* v = ValueRow<S>(a, s, d);
    for (; s < end; s += 2, v += 2 * a.head_dim) {
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) {
        const V v0 = Load<V>(v + g * L);
        const V v1 = Load<V>(v + a.head_dim + g * L);
#pragma GCC unroll 8
        for (int q = 0; q < kQueryTile; ++q) {
          even[q][g] += a.scores[q * a.score_stride + s] * v0;
          odd[q][g] += a.scores[q * a.score_stride + s + 1] * v1;
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < kQueryTile; ++q) {
    const T* p = a.scores + q * a.score_stride;
    const int64_t end = a.first.end + q;
    for (int64_t s = common; s < end; s += 2) {
      const S* v = ValueRow<S>(a, s, d);
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) even[q][g] += p[s] * Load<V>(v + g * L);
      if (s + 1 >= end) break;
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) {
        odd[q][g] += p[s + 1] * Load<V>(v + a.head_dim + g * L);
      }
    }
#pragma GCC unroll 8
    for (int g = 0; g < DV; ++g) {
      Store<V>(a.out + q * a.out_stride + d + g * L,
               (even[q][g] + odd[q][g]) * inverse[q]);
    }
  }
}

template <typename T, typename S>
STRATA_INLINE void AttendTileAs(const AttendArgs<T>& a) {
  constexpr int L = kLanes<T>;
  const int64_t last = a.first.end + kQueryTile - 1;
  const int64_t end_chunk = (last + kChunk - 1) / kChunk;
  Scores<T, S, kQueryTile>(a, 0, end_chunk);
  if (a.terms != nullptr) ApplyTerms<T, kQueryTile>(a, 0, end_chunk * kChunk);
  T inverse[kQueryTile];
  for (int q = 0; q < kQueryTile; ++q) {
    T* scores = a.scores + q * a.score_stride;
    const int64_t end = a.first.end + q;
    const int64_t n = (end + kChunk - 1) / kChunk * kChunk;
    Hide(scores, end, n);
    inverse[q] = Softmax(scores, n);
  }
  constexpr int DV = STRATA_VECTOR_BYTES == 64 ? 2 : 1;
  int64_t d = 0;
  for (; d + DV * L <= a.head_dim; d += DV * L) {
    ValueTile<T, S, Vec<T>, DV>(a, inverse, d);
  }
  if (DV > 1 && d + L <= a.head_dim) {
    ValueTile<T, S, Vec<T>, 1>(a, inverse, d);
    d += L;
  }
  for (; d < a.head_dim; ++d) ValueTile<T, S, T, 1>(a, inverse, d);
}

template <typename T>
void Attend(const AttendArgs<T>& a) {
  WithCacheType<T>(a.type, [&]<typename S>() { AttendAs<T, S>(a); });
}
template <typename T>
void Score(const AttendArgs<T>& a) {
  const SeenChunks chunks = ChunksOf(a);
  WithCacheType<T>(a.type, [&]<typename S>() {
    Scores<T, S, 1>(a, chunks.begin_chunk, chunks.end_chunk);
  });
}
template <typename T>
void Mix(const AttendArgs<T>& a) {
  WithCacheType<T>(a.type, [&]<typename S>() { MixAs<T, S>(a, ChunksOf(a)); });
}
template <typename T>
void AttendTile(const AttendArgs<T>& a) {
  WithCacheType<T>(a.type, [&]<typename S>() { AttendTileAs<T, S>(a); });
}

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
