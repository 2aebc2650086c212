// xPos: rotary positions whose pairs also fade with the distance, fast turning ones
// first (Sun et al., 2212.10554, section 3).
//
//   pair m of q times zeta(m)^((i - c) / span), of k times zeta(m)^(-(j - c) / span)
//   zeta(m) = (m / (K/2) + 0.4) / 1.4; so q k gets zeta(m)^((i - j) / span)
//
// The centre c cancels. The paper's code takes the middle of the text at hand, so a key
// that was cached at one length is wrong at another; here c is fixed by the config, and
// a key is stored once.

#include <cmath>

#include "model/position_scheme.h"

namespace strata {
namespace {

double LogScale(int64_t pair, int64_t pairs) {
  const double place =
      static_cast<double>(pair) / static_cast<double>(pairs);
  return std::log((place + 0.4) / 1.4);
}

}  // namespace

extern const PositionScheme kXposPosition;
const PositionScheme kXposPosition = {.name = "xpos",
                                      .turns = true,
                                      .log_scale = LogScale,
                                      .max_span = int64_t{1} << 24};

}  // namespace strata
