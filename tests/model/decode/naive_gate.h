#pragma once
// How what a sublayer made enters x, by model/OPTIONS.md ("Gates"), one item at a time.

#include <algorithm>
#include <cmath>
#include <string>

#include "model/model_config.h"
#include "tests/model/decode/naive_math.h"
#include "tests/model/decode/test_model.h"

namespace strata::naive {

inline void Enter(const LevelConfig& level, const TestWeights& w,
                  const std::string& p, Vector y, Vector* x) {
  if (level.gate != GateKind::kGru) return Add(x, y);
  const size_t d = x->size();
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  for (double& v : y) v = std::max(v, 0.0);
  const Vector made = Times(w.at(p + "input.weight"), y);
  const Vector was = Times(w.at(p + "state.weight"), *x);
  Vector reset = *x;
  for (size_t i = 0; i < d; ++i) reset[i] *= sigmoid(made[i] + was[i]);
  const Vector chosen = Times(w.at(p + "candidate.weight"), reset);
  for (size_t i = 0; i < d; ++i) {
    const double z = sigmoid(made[d + i] + was[d + i] - w.at(p + "bias")[i]);
    (*x)[i] = (1 - z) * (*x)[i] + z * std::tanh(made[2 * d + i] + chosen[i]);
  }
}

}  // namespace strata::naive
