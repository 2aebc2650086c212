#pragma once
// What a head looks up among the items behind its window, by model/OPTIONS.md
// ("Neighbours behind a window"), one item at a time.

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "model/model_config.h"
#include "tests/model/decode/naive_math.h"
#include "tests/model/decode/test_model.h"

namespace strata::naive {

inline double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t d = 0; d < a.size(); ++d) sum += a[d] * b[d];
  return sum;
}

// `p`: of the layer's tensors; `qkv`: of all items, `x`: what enters the layer at item i;
// `local`: what the window gave.
inline Vector WithNeighbours(const LevelConfig& level, const TestWeights& w,
                             const std::string& p, const Rows& qkv, const Vector& x,
                             int i, int head, const Vector& local) {
  const size_t d = level.dim, width = d / level.heads;
  const Vector q = Part(qkv[i], head * width, width);
  const double scale = std::exp(w.at(p + "knn.scale")[head]);
  std::vector<std::pair<double, int>> ranked;  // the score, and how old the item is
  for (int age = level.window; age < level.window + level.knn_items && age <= i; ++age) {
    const Vector k = Part(qkv[i - age], d + head * width, width);
    const double cosine =
        Dot(q, k) / std::sqrt((Dot(q, q) + 1e-6) * (Dot(k, k) + 1e-6));
    ranked.emplace_back(-scale * cosine, age);
  }
  if (ranked.empty()) return local;
  std::sort(ranked.begin(), ranked.end());
  ranked.resize(std::min(ranked.size(), size_t(level.knn_neighbours)));
  Vector scores;
  Rows values;
  for (const auto& [score, age] : ranked) {
    scores.push_back(-score);
    values.push_back(Part(qkv[i - age], 2 * d + head * width, width));
  }
  double open = w.at(p + "knn.bias")[head];
  if (level.knn_gate == KnnGate::kContext) {
    open += Dot(Part(w.at(p + "knn.gate"), head * d, d),
                RmsNorm(x, w.at(p + "norm.weight")));
  }
  const double share = 1 / (1 + std::exp(-open));
  Vector out = Mixed(scores, values);
  for (size_t m = 0; m < width; ++m) out[m] = share * out[m] + (1 - share) * local[m];
  return out;
}

}  // namespace strata::naive
