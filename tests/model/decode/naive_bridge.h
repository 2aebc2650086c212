#pragma once
// What an item makes of the contexts that a bridge attends to, by model/OPTIONS.md
// ("Bridge attention"), one item at a time.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/decode/naive_math.h"
#include "tests/model/decode/test_model.h"

namespace strata::naive {

// `o`: the contexts up to that of the item's own block. From v to u.
inline void AttendContexts(const LevelConfig& level, const TestWeights& w,
                           const std::string& at, const std::vector<Vector>& o,
                           Vector* x) {
  const size_t d = level.dim, width = d / level.heads, rows = level.block;
  const std::string p = at + "bridge_attention.";
  const Vector query = Times(w.at(p + "query.weight"),
                             RmsNorm(*x, w.at(p + "norm.weight")));
  Vector joined;
  for (int h = 0; h < level.heads; ++h) {
    Vector scores;
    std::vector<Vector> values;
    for (size_t back = 0; back < size_t(level.bridge_window); ++back) {
      if (back >= o.size()) break;
      const Vector said = Times(w.at(at + "bridge.weight"), o[o.size() - 1 - back]);
      double score = 0;
      for (size_t i = 0; i < width; ++i) {
        score += query[h * width + i] * said[rows * d + h * width + i];
      }
      scores.push_back(score / std::sqrt(double(width)) +
                       w.at(p + "bias")[h * level.bridge_window + back]);
      values.push_back(Part(said, (rows + 1) * d + h * width, width));
    }
    const Vector mixed = Mixed(scores, values);
    joined.insert(joined.end(), mixed.begin(), mixed.end());
  }
  Add(x, Times(w.at(p + "out.weight"), joined));
}

}  // namespace strata::naive
