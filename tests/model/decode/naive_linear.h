#pragma once
// Linear attention by model/README.md ("Scopes"), pair by pair: no sum is kept.

#include <cmath>
#include <vector>

#include "model/model_config.h"
#include "tests/model/decode/naive_math.h"

namespace strata::naive {

// phi(q) phi(k), of query i and key j as they are turned.
inline double FeatureScore(const LevelConfig& level, double theta, size_t i, size_t j,
                           Vector q, Vector k) {
  if (level.position->turns) {
    Rotate(&q, i, theta);
    Rotate(&k, j, theta);
  }
  const auto phi = [](double x) { return x > 0 ? x + 1 : std::exp(x); };
  double score = 0;
  for (size_t d = 0; d < q.size(); ++d) score += phi(q[d]) * phi(k[d]);
  return score;
}

// Values by their share of all scores.
inline Vector Shared(const Vector& scores, const std::vector<Vector>& values) {
  double sum = 0;
  for (const double score : scores) sum += score;
  Vector out(values[0].size());
  for (size_t j = 0; j < scores.size(); ++j) {
    for (size_t d = 0; d < out.size(); ++d) out[d] += scores[j] / sum * values[j][d];
  }
  return out;
}

}  // namespace strata::naive
