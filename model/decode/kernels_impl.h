// The kernels, in GCC vector extensions: products and norms here, attention in
// kernels_attend.h. Included once by each kernels_<isa>.cc, which defines
//   STRATA_ISA           name of the namespace and of the table
//   STRATA_VECTOR_BYTES  16, 32 or 64
// Everything has internal linkage. Sums are explicit: the files are compiled
// with -ffp-contract=fast (acc += a * b is one FMA wherever the machine has it)
// and without auto-vectorisation, so that an element is computed the same way
// in a full tile and in a remainder.

#include "model/decode/kernels.h"
#include "model/decode/kernels_attend.h"
#include "model/decode/kernels_gate.h"
#include "model/decode/kernels_linear.h"
#include "model/decode/kernels_math.h"

#define STRATA_STRING2(x) #x
#define STRATA_STRING(x) STRATA_STRING2(x)

namespace strata {
namespace STRATA_ISA {
namespace {

template <typename T>
STRATA_INLINE void Finish(T* y, Vec<T> acc, Epilogue epilogue) {
  if (epilogue == Epilogue::kAdd) {
    acc = Load<Vec<T>>(y) + acc;
  } else if (epilogue == Epilogue::kGelu) {
    acc = GeluTanh<T>(acc);
  } else if (epilogue == Epilogue::kRelu) {
    acc = acc > T(0) ? acc : Vec<T>{};
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

template <typename T>
constexpr Kernels<T> MakeTable() {
  return {STRATA_STRING(STRATA_ISA), MatMul<T>, RmsNorm<T>, Attend<T>,
          AttendTile<T>, AttendSums<T>, GateReset<T>, GateUpdate<T>};
}

}  // namespace

extern const Kernels<float> kFloatKernels;
extern const Kernels<double> kDoubleKernels;
const Kernels<float> kFloatKernels = MakeTable<float>();
const Kernels<double> kDoubleKernels = MakeTable<double>();

}  // namespace STRATA_ISA
}  // namespace strata
