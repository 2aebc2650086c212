#include "model/logit_weights.h"

#include <algorithm>
#include <limits>

#include "model/logit_loops.h"

namespace strata {

#if defined(__x86_64__)
namespace avx512 {
extern const LogitLoops kLogitLoops;
}
namespace avx2 {
extern const LogitLoops kLogitLoops;
}
#endif
namespace baseline {
extern const LogitLoops kLogitLoops;
}

absl::Span<const LogitLoops> LogitLoopsHere() {
#if defined(__x86_64__)
  static const LogitLoops loops[] = {baseline::kLogitLoops, avx2::kLogitLoops,
                                     avx512::kLogitLoops};
  const size_t runs = !__builtin_cpu_supports("avx2")      ? 1
                      : !__builtin_cpu_supports("avx512f") ? 2
                                                           : 3;
  return absl::MakeConstSpan(loops, runs);
#else
  return absl::MakeConstSpan(&baseline::kLogitLoops, 1);
#endif
}

namespace {
const LogitLoops& Widest() {
  static const LogitLoops& widest = LogitLoopsHere().back();
  return widest;
}
}  // namespace

LogitRange RangeOf(absl::Span<const float> logits) {
  LogitRange range;
  Widest().range(logits.data(), logits.size(), &range.top, &range.broken);
  return range;
}

void ExpWeights(absl::Span<const float> logits, float top, double temperature,
                absl::Span<float> weights) {
  const auto divisor = static_cast<float>(
      std::max<double>(temperature, std::numeric_limits<float>::min()));
  Widest().weigh(logits.data(), logits.size(), top, divisor, weights.data());
}

size_t WeightParts(size_t weights) { return (weights + kWeightPart - 1) / kWeightPart; }

void SumParts(absl::Span<const float> weights, absl::Span<double> sums) {
  Widest().sum_parts(weights.data(), weights.size(), sums.data());
}

}  // namespace strata
