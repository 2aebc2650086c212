#pragma once
// Loops that training on a CPU spends its time in beside matrix products, each
// one pass over the memory where composed tensor operations make five to ten.
// Rows are contiguous. Every result of a row depends on that row alone, so
// splitting rows over threads changes nothing. T: float or double. Thread-safe.

#include <cstdint>

namespace strata {

// y = x * scale * weight, scale = 1 / sqrt(mean(x^2) + epsilon) per row, kept.
template <typename T>
void NormRows(const T* x, const T* weight, int64_t rows, int64_t dim,
              double epsilon, T* y, T* scale);

// grad_x of NormRows; adds to grad_weight [dim].
template <typename T>
void NormRowsBackward(const T* x, const T* weight, const T* scale,
                      const T* grad_y, int64_t rows, int64_t dim, T* grad_x,
                      T* grad_weight);

// Turns each of `heads` pieces of `head_dim` by the angles of one item (cos and
// sin [head_dim / 2]); direction -1 turns back.
template <typename T>
void RotateHeads(const T* x, const T* cos, const T* sin, int64_t heads,
                 int64_t head_dim, T direction, T* y);

// y[i] = (x ? x[i] : 0) + (kept(begin + i) ? update[i] * gain : 0), where
// kept(k) is a fixed function of (seed, k), true for a share of 1 - drop /
// 65536. REQUIRES: begin is a multiple of 4.
template <typename T>
void AddDroppedRun(const T* x, const T* update, int64_t begin, int64_t count,
                   uint64_t seed, uint32_t drop, T gain, T* y);

}  // namespace strata
