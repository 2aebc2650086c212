#pragma once
// The loops of model/logit_weights.h, compiled once for each width of vectors, of which
// the machine's widest is taken at run time. All of them give the same bits: what is done
// to an element depends on no other, a maximum on no order, and sums have one order.
// Pure functions, thread-safe.

#include <cstddef>

#include "absl/types/span.h"

namespace strata {

struct LogitLoops {
  // The largest of `n` logits, and whether one of them is NaN or +inf.
  void (*range)(const float* logits, size_t n, float* top, bool* broken);
  // weights[i] = e^((logits[i] - top) / divisor).
  void (*weigh)(const float* logits, size_t n, float top, float divisor, float* weights);
  // A sum for each kWeightPart weights, and for those that are left.
  void (*sum_parts)(const float* weights, size_t n, double* sums);
};

inline constexpr size_t kWeightPart = 32;

// Those that this machine runs, the narrowest first.
absl::Span<const LogitLoops> LogitLoopsHere();

}  // namespace strata
