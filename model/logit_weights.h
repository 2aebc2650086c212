#pragma once
// What sampling does with every logit. A text is drawn an item at a time, so these
// loops run as often as the model does: they go through the widest vectors that there
// are (logit_loops.h), on any machine with the same results. Pure functions, thread-safe.

#include <cstddef>

#include "absl/types/span.h"
#include "model/logit_loops.h"

namespace strata {

struct LogitRange {
  float top = 0;       // the largest
  bool broken = false;  // one is NaN or +inf; top then means nothing
};

// REQUIRES: not empty.
LogitRange RangeOf(absl::Span<const float> logits);

// weights[i] = e^((logits[i] - top) / temperature), with a relative error below 1e-5;
// 0 for less than e^-87. The division keeps tiny temperatures finite: the top is 1 and
// the rest underflow. REQUIRES: as many weights as logits, none broken or larger than
// `top`; temperature > 0.
void ExpWeights(absl::Span<const float> logits, float top, double temperature,
                absl::Span<float> weights);

// Sums of weights, of kWeightPart of them each and of those that are left, in double and
// in an order of its own.
size_t WeightParts(size_t weights);
// REQUIRES: WeightParts(weights.size()) sums.
void SumParts(absl::Span<const float> weights, absl::Span<double> sums);

}  // namespace strata
