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

// R rows times NV vectors of columns, one chain of sums per element. The first vector
// begins `column` bytes into a step of the panel; vectors v and v + 1 may lie in
// different panels.
template <typename W, int R, int NV, int kVectorsPerPanel>
STRATA_INLINE void Tile(const uint8_t* __restrict x, int64_t x_stride,
                        const uint8_t* __restrict panel, int64_t column, int64_t k,
                        typename W::Scalar* __restrict y, int64_t y_stride,
                        Epilogue epilogue) {
  using T = typename W::Scalar;
  constexpr int L = kLanes<T>;
  const int64_t panel_bytes = PanelBytes(W::kType, k, sizeof(T));
  const auto at = [&](int64_t step, int v) __attribute__((always_inline)) {
    return panel + step * kPanel * W::kWordBytes + column +
           (v / kVectorsPerPanel) * panel_bytes +
           (v % kVectorsPerPanel) * STRATA_VECTOR_BYTES;
  };
  typename W::Sum acc[R][NV] = {};
  const int64_t steps = k / W::kDepth;
  for (int64_t i = 0; i < steps; ++i) {
    typename W::Words b[NV];
#pragma GCC unroll 16
    for (int v = 0; v < NV; ++v) b[v] = W::Read(at(i, v));
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto a = W::Values(x + r * x_stride, i);
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) W::Add(&acc[r][v], a, b[v]);
    }
  }
  if (W::kDepth > 1 && k % W::kDepth != 0) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto a = W::LastValues(x + r * x_stride, steps);
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) W::Add(&acc[r][v], a, W::Read(at(steps, v)));
    }
  }
  const int64_t end = (k + W::kDepth - 1) / W::kDepth;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < NV; ++v) {
      Finish<T>(y + r * y_stride + v * L,
                W::Result(acc[r][v], x + r * x_stride, at(end, v)), epilogue);
    }
  }
}

// Register tile: rows by vectors, as many as the machine has registers for.
inline constexpr int kTileRows = 6;

template <typename W, int R>
__attribute__((noinline)) void RowTile(const uint8_t* x, int64_t x_stride,
                                       const uint8_t* panel, int64_t k,
                                       typename W::Scalar* y, int64_t y_stride,
                                       Epilogue epilogue) {
  constexpr int L = kLanes<typename W::Scalar>;
  constexpr int NV = R <= 2 && L * 4 <= kPanel ? 4 : W::kTileVectors;
  for (int64_t c = 0; c < kPanel; c += NV * L) {
    Tile<W, R, NV, NV>(x, x_stride, panel, c * W::kWordBytes, k, y + c, y_stride,
                       epilogue);
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
      Tile<W, 1, 8, 4>(x, 0, weights + p * bytes, 0, k, y + p * kPanel, 0,
                       epilogue);
    }
  }
  constexpr int NV = kPerPanel < 8 ? kPerPanel : 8;
  for (; p < panels; ++p) {
    for (int64_t c = 0; c < kPanel; c += NV * L) {
      Tile<W, 1, NV, NV>(x, 0, weights + p * bytes, c * W::kWordBytes, k,
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
