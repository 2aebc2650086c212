#include "model/logit_weights.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "model/vector_exp.h"

namespace strata {
namespace {

typedef float Vec __attribute__((vector_size(16)));
typedef int32_t VecI __attribute__((vector_size(16)));
typedef float Unaligned __attribute__((vector_size(16), aligned(4), may_alias));
constexpr size_t kLanes = 4;

constexpr float kInf = std::numeric_limits<float>::infinity();

// Calls body(vector, index) for all; the last vector is filled up with -inf.
template <typename Body>
void ForVectors(absl::Span<const float> values, Body body) {
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    body(Vec(*reinterpret_cast<const Unaligned*>(values.data() + i)), i);
  }
  if (i == values.size()) return;
  Vec rest = Vec{} - kInf;
  for (size_t lane = 0; i + lane < values.size(); ++lane) rest[lane] = values[i + lane];
  body(rest, i);
}

}  // namespace

LogitRange RangeOf(absl::Span<const float> logits) {
  Vec top = Vec{} - kInf;
  VecI fine = VecI{} - 1;
  ForVectors(logits, [&](Vec x, size_t) {
    fine &= x < kInf;
    top = x > top ? x : top;
  });
  LogitRange range;
  range.broken = (fine[0] & fine[1] & fine[2] & fine[3]) == 0;
  range.top = std::max({top[0], top[1], top[2], top[3]});
  return range;
}

void ExpWeights(absl::Span<const float> logits, float top, double temperature,
                absl::Span<float> weights) {
  const auto divisor = static_cast<float>(
      std::max<double>(temperature, std::numeric_limits<float>::min()));
  ForVectors(logits, [&](Vec x, size_t i) {
    const Vec e = VectorExp<Vec, VecI>((x - top) / divisor);
    const size_t lanes = std::min(kLanes, logits.size() - i);
    if (lanes == kLanes) {
      *reinterpret_cast<Unaligned*>(weights.data() + i) = e;
    } else {
      for (size_t lane = 0; lane < lanes; ++lane) weights[i + lane] = e[lane];
    }
  });
}

}  // namespace strata
