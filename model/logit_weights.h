#pragma once
// What sampling does with every logit. A text is drawn an item at a time, so these
// loops run as often as the model does: they go through vectors of four, on any
// machine with the same results. Pure functions, thread-safe.

#include "absl/types/span.h"

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

}  // namespace strata
