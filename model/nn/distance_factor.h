#pragma once
// DistanceFactor: distance-aware scores (Wu et al., 2010.06925).
//
//   max(q k, 0) / sqrt(K) * f(|d|)     f(r) = (1 + e^b) / (1 + e^(b - a r))
//
// a (`slope`) and b (`offset`) are learned, per head and layer; f(0) = 1. With a > 0
// far keys count for up to 1 + e^b times as much, with a < 0 they fade to a score of 0.
// In the paper's own words w is the slope and v the offset; the clipping at 0 keeps a
// factor from making a bad match worse. Shapes: see score_term.h. Thread-compatible.

#include <torch/torch.h>

#include "model/nn/score_term.h"

namespace strata {

class DistanceFactorImpl : public ScoreTermImpl {
 public:
  explicit DistanceFactorImpl(const LevelConfig& level);
  torch::Tensor Scores(const torch::Tensor& q, const torch::Tensor& k,
                       const torch::Tensor& distance) override;

 private:
  torch::Tensor slope_, offset_;  // [H]
};

}  // namespace strata
