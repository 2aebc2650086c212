#pragma once
// Products with packed weights, the same for each type of weight (kernels_weights.h).
// See kernels_impl.h for what the including file defines and why everything has
// internal linkage.

#include "model/decode/kernels.h"
#include "model/decode/kernels_math.h"
#include "model/decode/kernels_weights.h"

namespace strata {
namespace STRATA_ISA {
namespace {

template <typename T>
STRATA_INLINE void StoreResult(T* y, Vec<T> acc, Epilogue epilogue) {
  if (epilogue == Epilogue::kAdd) {
    acc = Load<Vec<T>>(y) + acc;
  } else if (epilogue == Epilogue::kGelu) {
    acc = GeluTanh<T>(acc);
  } else if (epilogue == Epilogue::kRelu) {
    acc = acc > T(0) ? acc : Vec<T>{};
  }
  Store(y, acc);
}

inline constexpr int64_t kLine = 64;  // bytes of the caches

// R rows times NV vectors of columns, one chain of sums per element. The first vector
// begins `column` bytes into a step of the panel; vectors v and v + 1 may lie in
// different panels.
template <typename W, int R, int NV, int kVectorsPerPanel>
struct Tile {
  using T = typename W::Scalar;
  using Sums = typename W::Sum[R][NV];

  const uint8_t* __restrict x;
  int64_t x_stride;
  const uint8_t* __restrict panel;
  int64_t column;
  int64_t panel_bytes;

  [[gnu::always_inline]] const uint8_t* At(int64_t step, int v) const {
    return panel + step * kPanel * W::kWordBytes + column +
           (v / kVectorsPerPanel) * panel_bytes +
           (v % kVectorsPerPanel) * STRATA_VECTOR_BYTES;
  }

  // Goes on with `sums` over the steps [begin, end); each fetches the next kLines lines
  // from `ahead` on.
  template <int kLines = 0>
  [[gnu::always_inline]] void Add(int64_t begin, int64_t end, Sums& sums,
                                  const uint8_t* ahead = nullptr) const {
    typename W::Sum acc[R][NV];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) acc[r][v] = sums[r][v];
    }
    for (int64_t i = begin; i < end; ++i) {
#pragma GCC unroll 8
      for (int line = 0; line < kLines; ++line, ahead += kLine) {
        __builtin_prefetch(ahead);
      }
      typename W::Words b[NV];
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) b[v] = W::Read(At(i, v));
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const auto a = W::Values(x + r * x_stride, i);
#pragma GCC unroll 16
        for (int v = 0; v < NV; ++v) W::Add(&acc[r][v], a, b[v]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) sums[r][v] = acc[r][v];
    }
  }

  // What is left of k behind its whole steps, and out with the sums.
  [[gnu::always_inline]] void Finish(int64_t k, Sums& sums, T* __restrict y,
                                     int64_t y_stride, Epilogue epilogue) const {
    const int64_t steps = k / W::kDepth;
    if (W::kDepth > 1 && k % W::kDepth != 0) {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const auto a = W::LastValues(x + r * x_stride, steps);
#pragma GCC unroll 16
        for (int v = 0; v < NV; ++v) W::Add(&sums[r][v], a, W::Read(At(steps, v)));
      }
    }
    const int64_t end = (k + W::kDepth - 1) / W::kDepth;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) {
        StoreResult<T>(y + r * y_stride + v * kLanes<T>,
                       W::Result(sums[r][v], x + r * x_stride, At(end, v)), epilogue);
      }
    }
  }
};

template <typename W, int R, int NV, int kVectorsPerPanel>
STRATA_INLINE void WholeTile(const uint8_t* x, int64_t x_stride, const uint8_t* panel,
                             int64_t column, int64_t k, typename W::Scalar* y,
                             int64_t y_stride, Epilogue epilogue) {
  using T = typename W::Scalar;
  const Tile<W, R, NV, kVectorsPerPanel> tile = {
      x, x_stride, panel, column, PanelBytes(W::kType, k, sizeof(T))};
  typename W::Sum sums[R][NV] = {};
  tile.Add(0, k / W::kDepth, sums);
  tile.Finish(k, sums, y, y_stride, epilogue);
}

// Register tile: rows by vectors, as many as the machine has registers for. Where these
// do not hold a panel's columns, several tiles read the same steps, kNearSteps at a time,
// which stay in the first cache. Each tile alone would read pieces of lines far apart,
// which memory is slow at; so all of them fetch, line after line as they lie there and
// evenly in time, the steps that come next.
inline constexpr int kTileRows = 6;
inline constexpr int64_t kNearSteps = 32;  // 8 kB

template <typename W, int R>
__attribute__((noinline)) void RowTile(const uint8_t* x, int64_t x_stride,
                                       const uint8_t* panel, int64_t k,
                                       typename W::Scalar* y, int64_t y_stride,
                                       Epilogue epilogue) {
  using T = typename W::Scalar;
  constexpr int L = kLanes<T>;
  constexpr int NV = R <= 2 && L * 4 <= kPanel ? 4 : W::kTileVectors;
  if constexpr (NV * L == kPanel) {
    WholeTile<W, R, NV, NV>(x, x_stride, panel, 0, k, y, y_stride, epilogue);
  } else {
    using Columns = Tile<W, R, NV, NV>;
    constexpr int kTiles = int(kPanel) / (NV * L);
    constexpr int64_t kStepBytes = kPanel * W::kWordBytes;
    constexpr int kLines = kStepBytes / kLine / kTiles;
    const auto tile = [&](int t) __attribute__((always_inline)) {
      return Columns{x, x_stride, panel, t * NV * L * W::kWordBytes,
                     PanelBytes(W::kType, k, sizeof(T))};
    };
    typename W::Sum sums[kTiles][R][NV] = {};
    const int64_t steps = k / W::kDepth;
    for (int64_t i = 0; i < steps; i += kNearSteps) {
      const int64_t end = i + kNearSteps < steps ? i + kNearSteps : steps;
      const uint8_t* ahead = panel + end * kStepBytes;
      for (int t = 0; t < kTiles; ++t, ahead += (end - i) * kLines * kLine) {
        tile(t).template Add<kLines>(i, end, sums[t], ahead);
      }
    }
    for (int t = 0; t < kTiles; ++t) {
      tile(t).Finish(k, sums[t], y + t * NV * L, y_stride, epilogue);
    }
  }
}

// One row: eight chains, over two panels where one has only four vectors.
template <typename W>
__attribute__((noinline)) void OneRow(const uint8_t* x, const uint8_t* weights,
                                      int64_t k, int64_t panels,
                                      typename W::Scalar* y, Epilogue epilogue) {
  constexpr int L = kLanes<typename W::Scalar>;
  constexpr int kPerPanel = int(kPanel) / L;
  const int64_t bytes = PanelBytes(W::kType, k, sizeof(typename W::Scalar));
  int64_t p = 0;
  if constexpr (kPerPanel == 4) {
    for (; p + 2 <= panels; p += 2) {
      WholeTile<W, 1, 8, 4>(x, 0, weights + p * bytes, 0, k, y + p * kPanel, 0,
                            epilogue);
    }
  }
  constexpr int NV = kPerPanel < 8 ? kPerPanel : 8;
  for (; p < panels; ++p) {
    for (int64_t c = 0; c < kPanel; c += NV * L) {
      WholeTile<W, 1, NV, NV>(x, 0, weights + p * bytes, c * W::kWordBytes, k,
                              y + p * kPanel + c, 0, epilogue);
    }
  }
}

template <typename W>
void MatMul(const void* x_rows, int64_t x_stride, int64_t m,
            const void* packed, int64_t k, int64_t panels,
            typename W::Scalar* y, int64_t y_stride, Epilogue epilogue) {
  using T = typename W::Scalar;
  const auto* x = static_cast<const uint8_t*>(x_rows);
  const auto* weights = static_cast<const uint8_t*>(packed);
  if (m == 1) return OneRow<W>(x, weights, k, panels, y, epilogue);
  using Fn = void (*)(const uint8_t*, int64_t, const uint8_t*, int64_t, T*,
                      int64_t, Epilogue);
  static const Fn kTiles[kTileRows + 1] = {
      nullptr,       RowTile<W, 1>, RowTile<W, 2>, RowTile<W, 3>,
      RowTile<W, 4>, RowTile<W, 5>, RowTile<W, 6>};
  const int64_t bytes = PanelBytes(W::kType, k, sizeof(T));
  const int64_t blocks = (m + kTileRows - 1) / kTileRows;
  for (int64_t p = 0; p < panels; ++p) {
    int64_t row = 0;
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t rows = (m - row + blocks - b - 1) / (blocks - b);
      kTiles[rows](x + row * x_stride, x_stride, weights + p * bytes, k,
                   y + row * y_stride + p * kPanel, y_stride, epilogue);
      row += rows;
    }
  }
}

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
