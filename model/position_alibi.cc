// ALiBi: a penalty that grows with the distance (Press et al., 2108.12409).
//
//   score - slope(h) |i - j|     slope(h) = 2^(-8 (h + 1) / H), h in [0, H)
//
// Where H is no power of two the paper's code takes the slopes of the power of two
// below it, then those of the next one at even places, from the steepest.

#include <cmath>
#include <cstdlib>

#include "model/position_scheme.h"

namespace strata {
namespace {

double Slope(int head, int heads) {
  int power = 1;
  while (2 * power <= heads) power *= 2;
  const double step = head < power ? (head + 1.0) / power
                                   : (2.0 * (head - power) + 1) / (2 * power);
  return std::exp2(-8 * step);
}

void Penalty(int head, int heads, int64_t far, int64_t count, double* out) {
  const double slope = Slope(head, heads);
  for (int64_t n = 0; n < count; ++n) {
    out[n] = -slope * static_cast<double>(std::abs(far - n));
  }
}

}  // namespace

extern const PositionScheme kAlibiPosition;
const PositionScheme kAlibiPosition = {.name = "alibi", .bias = Penalty};

}  // namespace strata
