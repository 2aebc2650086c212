// The kernels, in GCC vector extensions. Included once by each
// kernels_<isa>.cc, which defines
//   STRATA_ISA           name of the namespace and of the table
//   STRATA_VECTOR_BYTES  16, 32 or 64
// Everything has internal linkage. Sums are explicit: the files are compiled
// with -ffp-contract=fast (acc += a * b is one FMA wherever the machine has it)
// and without auto-vectorisation, so that an element is computed the same way
// in a full tile and in a remainder.

#include "model/decode/kernels.h"

#define STRATA_INLINE static inline __attribute__((always_inline))
#define STRATA_STRING2(x) #x
#define STRATA_STRING(x) STRATA_STRING2(x)

namespace strata {
namespace STRATA_ISA {
namespace {

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

// e^x: x = n ln 2 + r, a polynomial in r (Cephes), exponent bits from n.
// 0 below -87.3 and for -inf; saturates above 88.
STRATA_INLINE VecF Exp(VecF x) {
  const VecI live = x > -87.3f;
  VecF c = x > 88.0f ? VecF{} + 88.0f : x;
  c = live ? c : VecF{} - 87.3f;
  const VecF magic = VecF{} + 12582912.0f;  // 1.5 * 2^23: rounds to an integer
  const VecF shifted = c * 1.44269504f + magic;
  const VecF n = shifted - magic;
  VecF r = c - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  VecF p = VecF{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const VecI bits = ((VecI)shifted - (VecI)magic) << 23;
  return (VecF)(((VecI)p + bits) & live);
}
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

// ---- matrix product ---------------------------------------------------------

template <typename T>
STRATA_INLINE void Finish(T* y, Vec<T> acc, Epilogue epilogue) {
  if (epilogue == Epilogue::kAdd) {
    acc = Load<Vec<T>>(y) + acc;
  } else if (epilogue == Epilogue::kGelu) {
    acc = GeluTanh<T>(acc);
  }
  Store(y, acc);
}

// R rows times NV vectors of columns, one chain of products per element.
// Columns v and v + 1 lie `step[v]` apart: they may be in different panels.
template <typename T, int R, int NV, int kVectorsPerPanel>
STRATA_INLINE void Tile(const T* __restrict x, int64_t x_stride,
                        const T* __restrict w, int64_t k, T* __restrict y,
                        int64_t y_stride, Epilogue epilogue) {
  constexpr int L = kLanes<T>;
  const int64_t panel_step = k * kPanel;
  Vec<T> acc[R][NV] = {};
  for (int64_t i = 0; i < k; ++i) {
    Vec<T> b[NV];
#pragma GCC unroll 16
    for (int v = 0; v < NV; ++v) {
      b[v] = Load<Vec<T>>(w + i * kPanel + (v / kVectorsPerPanel) * panel_step +
                          (v % kVectorsPerPanel) * L);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const T a = x[r * x_stride + i];
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) acc[r][v] += a * b[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < NV; ++v) {
      Finish<T>(y + r * y_stride + v * L, acc[r][v], epilogue);
    }
  }
}

// Register tile: rows by vectors, as many as the machine has registers for.
inline constexpr int kTileRows = 6;
inline constexpr int kTileVectors = STRATA_VECTOR_BYTES == 64 ? 4 : 2;

template <typename T, int R>
__attribute__((noinline)) void RowTile(const T* x, int64_t x_stride,
                                       const T* w, int64_t k, T* y,
                                       int64_t y_stride, Epilogue epilogue) {
  constexpr int L = kLanes<T>;
  constexpr int NV = R <= 2 && L * 4 <= kPanel ? 4 : kTileVectors;
  for (int64_t c = 0; c < kPanel; c += NV * L) {
    Tile<T, R, NV, NV>(x, x_stride, w + c, k, y + c, y_stride, epilogue);
  }
}

// One row: eight chains, over two panels where one has only four vectors.
template <typename T>
__attribute__((noinline)) void OneRow(const T* x, const T* w, int64_t k,
                                      int64_t panels, T* y,
                                      Epilogue epilogue) {
  constexpr int L = kLanes<T>;
  constexpr int kPerPanel = int(kPanel) / L;
  int64_t p = 0;
  if constexpr (kPerPanel == 4) {
    for (; p + 2 <= panels; p += 2) {
      Tile<T, 1, 8, 4>(x, 0, w + p * k * kPanel, k, y + p * kPanel, 0,
                       epilogue);
    }
  }
  constexpr int NV = kPerPanel < 8 ? kPerPanel : 8;
  for (; p < panels; ++p) {
    for (int64_t c = 0; c < kPanel; c += NV * L) {
      Tile<T, 1, NV, NV>(x, 0, w + p * k * kPanel + c, k, y + p * kPanel + c, 0,
                         epilogue);
    }
  }
}

template <typename T>
void MatMul(const T* x, int64_t x_stride, int64_t m, const T* weights,
            int64_t k, int64_t panels, T* y, int64_t y_stride,
            Epilogue epilogue) {
  if (m == 1) return OneRow<T>(x, weights, k, panels, y, epilogue);
  using Fn = void (*)(const T*, int64_t, const T*, int64_t, T*, int64_t,
                      Epilogue);
  static const Fn kTiles[kTileRows + 1] = {
      nullptr,       RowTile<T, 1>, RowTile<T, 2>, RowTile<T, 3>,
      RowTile<T, 4>, RowTile<T, 5>, RowTile<T, 6>};
  const int64_t blocks = (m + kTileRows - 1) / kTileRows;
  for (int64_t p = 0; p < panels; ++p) {
    const T* w = weights + p * k * kPanel;
    int64_t row = 0;
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t rows = (m - row + blocks - b - 1) / (blocks - b);
      kTiles[rows](x + row * x_stride, x_stride, w, k,
                   y + row * y_stride + p * kPanel, y_stride, epilogue);
      row += rows;
    }
  }
}

// ---- norm -------------------------------------------------------------------

template <typename T>
STRATA_INLINE T SumLanes(Vec<T> v) {
  T sum = v[0];
#pragma GCC unroll 16
  for (int i = 1; i < kLanes<T>; ++i) sum += v[i];
  return sum;
}

template <typename T>
void RmsNorm(const T* x, int64_t x_stride, int64_t m, int64_t n,
             const T* weight, T* y, int64_t y_stride) {
  constexpr int L = kLanes<T>;
  const int64_t whole = n - n % L;
  for (int64_t r = 0; r < m; ++r, x += x_stride, y += y_stride) {
    Vec<T> squares = {};
    for (int64_t i = 0; i < whole; i += L) {
      const Vec<T> a = Load<Vec<T>>(x + i);
      squares += a * a;
    }
    T sum = SumLanes<T>(squares);
    for (int64_t i = whole; i < n; ++i) sum += x[i] * x[i];
    const T mean = sum / T(n) + T(1e-5);
    const T scale = T(1) / (sizeof(T) == 4 ? T(__builtin_sqrtf(float(mean)))
                                           : T(__builtin_sqrt(double(mean))));
    for (int64_t i = 0; i < whole; i += L) {
      Store(y + i, Load<Vec<T>>(x + i) * scale * Load<Vec<T>>(weight + i));
    }
    for (int64_t i = whole; i < n; ++i) y[i] = x[i] * scale * weight[i];
  }
}

// ---- attention --------------------------------------------------------------

// Scores of Q queries with G vectors of slots; vector j holds the slots
// [j * lanes, (j + 1) * lanes).
template <typename T, int Q, int G>
STRATA_INLINE void ScoreGroup(const AttendArgs<T>& a, int64_t j, T* scores) {
  constexpr int L = kLanes<T>;
  constexpr int kPerChunk = int(kChunk) / L;
  const T* k[G];
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) {
    k[g] = a.k + (j + g) / kPerChunk * a.head_dim * kChunk +
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
template <typename T, int Q>
STRATA_INLINE void Scores(const AttendArgs<T>& a, int64_t begin, int64_t end) {
  constexpr int L = kLanes<T>;
  constexpr int kPerChunk = int(kChunk) / L;
  constexpr int G = Q == 1 ? 8 : (STRATA_VECTOR_BYTES == 64 ? 4 : 2);
  int64_t j = begin * kPerChunk;
  const int64_t last = end * kPerChunk;
  T* scores = a.scores;
  for (; j + G <= last; j += G, scores += G * L) ScoreGroup<T, Q, G>(a, j, scores);
  if constexpr (G > 4) {
    for (; j + 4 <= last; j += 4, scores += 4 * L) {
      ScoreGroup<T, Q, 4>(a, j, scores);
    }
  }
  for (; j < last; ++j, scores += L) ScoreGroup<T, Q, 1>(a, j, scores);
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

// DV vectors of values from column d on: even and odd slots are summed apart,
// which halves the chain that the additions wait for. p[s] weighs slot s.
template <typename T, typename V, int DV>
STRATA_INLINE void ValueGroup(const AttendArgs<T>& a, const T* p, T inverse,
                              int64_t d) {
  constexpr int L = sizeof(V) / sizeof(T);
  V even[DV] = {};
  V odd[DV] = {};
  const SlotRange ranges[2] = {a.first, a.second};
  for (int i = 0; i < 2; ++i) {
    int64_t s = ranges[i].begin;
    const int64_t end = ranges[i].end;
    const T* v = a.v + s * a.head_dim + d;
    if (s < end && (s & 1) != 0) {
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) odd[g] += p[s] * Load<V>(v + g * L);
      ++s, v += a.head_dim;
    }
    for (; s + 2 <= end; s += 2, v += 2 * a.head_dim) {
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) {
        even[g] += p[s] * Load<V>(v + g * L);
        odd[g] += p[s + 1] * Load<V>(v + a.head_dim + g * L);
      }
    }
    if (s < end) {
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) even[g] += p[s] * Load<V>(v + g * L);
    }
  }
#pragma GCC unroll 8
  for (int g = 0; g < DV; ++g) {
    Store<V>(a.out + d + g * L, (even[g] + odd[g]) * inverse);
  }
}

template <typename T>
void Attend(const AttendArgs<T>& a) {
  constexpr int L = kLanes<T>;
  const bool wrapped = a.second.end > a.second.begin;
  const int64_t end = wrapped ? a.second.end : a.first.end;
  const int64_t begin_chunk = a.first.begin / kChunk;
  const int64_t end_chunk = (end + kChunk - 1) / kChunk;
  const int64_t base = begin_chunk * kChunk;
  const int64_t n = end_chunk * kChunk - base;
  Scores<T, 1>(a, begin_chunk, end_chunk);
  Hide(a.scores, 0, a.first.begin - base);
  if (wrapped) Hide(a.scores, a.first.end - base, a.second.begin - base);
  Hide(a.scores, end - base, n);
  const T inverse = Softmax(a.scores, n);
  const T* p = a.scores - base;
  int64_t d = 0;
  for (; d + 4 * L <= a.head_dim; d += 4 * L) {
    ValueGroup<T, Vec<T>, 4>(a, p, inverse, d);
  }
  if (d + 2 * L <= a.head_dim) {
    ValueGroup<T, Vec<T>, 2>(a, p, inverse, d);
    d += 2 * L;
  }
  if (d + L <= a.head_dim) {
    ValueGroup<T, Vec<T>, 1>(a, p, inverse, d);
    d += L;
  }
  for (; d < a.head_dim; ++d) ValueGroup<T, T, 1>(a, p, inverse, d);
}

// Query q sees the slots [0, first.end + q).
template <typename T, typename V, int DV>
STRATA_INLINE void ValueTile(const AttendArgs<T>& a, const T* inverse,
                             int64_t d) {
  constexpr int L = sizeof(V) / sizeof(T);
  V even[kQueryTile][DV] = {};
  V odd[kQueryTile][DV] = {};
  const int64_t common = a.first.end & ~int64_t{1};
  const T* v = a.v + d;
  const int64_t stride = a.head_dim;
  for (int64_t s = 0; s < common; s += 2, v += 2 * stride) {
#pragma GCC unroll 8
    for (int g = 0; g < DV; ++g) {
      const V v0 = Load<V>(v + g * L);
      const V v1 = Load<V>(v + stride + g * L);
#pragma GCC unroll 8
      for (int q = 0; q < kQueryTile; ++q) {
        even[q][g] += a.scores[q * a.score_stride + s] * v0;
        odd[q][g] += a.scores[q * a.score_stride + s + 1] * v1;
      }
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < kQueryTile; ++q) {
    const T* p = a.scores + q * a.score_stride;
    const int64_t end = a.first.end + q;
    const T* tail = v;
    for (int64_t s = common; s < end; s += 2, tail += 2 * stride) {
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) even[q][g] += p[s] * Load<V>(tail + g * L);
      if (s + 1 >= end) break;
#pragma GCC unroll 8
      for (int g = 0; g < DV; ++g) {
        odd[q][g] += p[s + 1] * Load<V>(tail + stride + g * L);
      }
    }
#pragma GCC unroll 8
    for (int g = 0; g < DV; ++g) {
      Store<V>(a.out + q * a.out_stride + d + g * L,
               (even[q][g] + odd[q][g]) * inverse[q]);
    }
  }
}

template <typename T>
void AttendTile(const AttendArgs<T>& a) {
  constexpr int L = kLanes<T>;
  const int64_t last = a.first.end + kQueryTile - 1;
  Scores<T, kQueryTile>(a, 0, (last + kChunk - 1) / kChunk);
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
    ValueTile<T, Vec<T>, DV>(a, inverse, d);
  }
  if (DV > 1 && d + L <= a.head_dim) {
    ValueTile<T, Vec<T>, 1>(a, inverse, d);
    d += L;
  }
  for (; d < a.head_dim; ++d) ValueTile<T, T, 1>(a, inverse, d);
}

template <typename T>
constexpr Kernels<T> MakeTable() {
  return {STRATA_STRING(STRATA_ISA), MatMul<T>, RmsNorm<T>, Attend<T>,
          AttendTile<T>};
}

}  // namespace

extern const Kernels<float> kFloatKernels;
extern const Kernels<double> kDoubleKernels;
const Kernels<float> kFloatKernels = MakeTable<float>();
const Kernels<double> kDoubleKernels = MakeTable<double>();

}  // namespace STRATA_ISA
}  // namespace strata
