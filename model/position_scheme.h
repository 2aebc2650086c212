#pragma once
// PositionScheme: how a level tells apart where its items lie. A scheme is a plain
// description; the differentiable model, both executors, the parameter count and
// the checks of a config are driven by it, and none of them knows a scheme by name.
// Its code, where it has any of its own, is one file (model/position_NAME.cc); its
// registration is one line of the table in model/position_scheme.cc.
//
// For query i and key j of a level, d = i - j, span = LevelConfig::position_span, and
// pair m of a head of width K being its elements (m, m + K/2):
//
//   scheme          what it does                                          paper
//   rope            turns pair m of q and k by i theta^(-2m/K)            2104.09864
//   none            nothing: causal masks alone tell items apart          2203.16634
//   alibi           score - slope(head) |d|                               2108.12409
//   xpos            as rope; pair m of q times zeta(m)^((i - c) / span),  2212.10554
//                   of k times the inverse; c a fixed centre
//   sinusoidal      item + gain [cos(i theta^(-2m/D)), sin(..)]           1706.03762
//   learned         item + rows[min(i, span - 1)]                         1705.03122
//   shaw            (q (k + key[clip(d)])) / sqrt(K), no vectors on v     1803.02155
//   transformer-xl  ((q + u) k + (q + w) (W [cos, sin](clip(d)))) / sqrt(K)   1901.02860
//   distance-aware  max(q k, 0) / sqrt(K) (1 + e^b) / (1 + e^(b - a |d|)) 2010.06925
//   adaptive-span   as rope; score + ln clamp((R + z(head) - |d|) / R, 0, 1)  1905.07799
//
// clip: to [-span, span]. Positions are the level's own items, from the document's
// first one. Immutable values with static lifetime; thread-safe.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace strata {

// What depends on the clipped distance and on the query.
enum class RelativeKeys {
  kNone,
  kLearned,    // a vector [K] a distance, the same for all heads
  kSinusoids,  // cosines and sines of the distance, [D], through a matrix; the query
               // has a vector added for the keys and another for these
};

// What is added to the items where they enter a stack of layers.
enum class EntranceRows {
  kNone,
  kAngles,   // cosines and sines of the item, times a learned gain [D]
  kLearned,  // a row of `span` learned ones; later items take the last
};

struct PositionScheme {
  const char* name;
  bool turns = false;
  // Natural logarithm of zeta(m), m in [0, pairs). With `turns`.
  double (*log_scale)(int64_t pair, int64_t pairs) = nullptr;
  // out[n] = what is added to the score at distance `far` - n, n in [0, count).
  void (*bias)(int head, int heads, int64_t far, int64_t count,
               double* out) = nullptr;
  RelativeKeys relative = RelativeKeys::kNone;
  // Scores pass through max(s, 0) and a factor that is learned, per head.
  bool factor = false;
  // Keys fade beyond a distance that each head learns (SpanOf, model/position_shape.h).
  bool adaptive = false;
  EntranceRows entrance = EntranceRows::kNone;
  int64_t max_span = 0;  // 0: the scheme has no span
};

// Whether scores know no distance but by what is turned: a scope that keeps sums over
// keys (model/scope_rule.h) has no other, nor has attention to buckets.
inline bool KnowsNoDistance(const PositionScheme& scheme) {
  return scheme.bias == nullptr && scheme.relative == RelativeKeys::kNone &&
         !scheme.factor && !scheme.adaptive && scheme.log_scale == nullptr;
}

// The default.
extern const PositionScheme kRopePosition;

// All, in the order of the table above.
absl::Span<const PositionScheme* const> PositionSchemes();
// Null where there is none of that name.
const PositionScheme* FindPositionScheme(absl::string_view name);
// "rope, none or alibi"
std::string PositionSchemeNames();

}  // namespace strata
