#include "client/arrivals.h"

#include <cmath>

#include "model/base/random.h"

namespace strata {
namespace {
constexpr uint64_t kStream = 0x6172726976616c73;  // apart from prompts and sampling
}  // namespace

std::vector<double> PoissonArrivals(double rate, int64_t requests, uint64_t seed) {
  std::vector<double> due;
  double at = 0;
  for (int64_t i = 0; i < requests; ++i) {
    const double uniform = RandomUniform(seed, kStream, static_cast<uint64_t>(i));
    at += -std::log1p(-uniform) / rate;
    due.push_back(at);
  }
  return due;
}

}  // namespace strata
