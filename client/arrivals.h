#pragma once
// When the requests of an open loop are due: a Poisson process, whose gaps are
// exponential, so that they come in bunches as those of independent clients do. A pure
// function of its arguments.

#include <cstdint>
#include <vector>

namespace strata {

// Seconds from the start of each of `requests`, ascending; `rate` > 0 a second.
std::vector<double> PoissonArrivals(double rate, int64_t requests, uint64_t seed);

}  // namespace strata
