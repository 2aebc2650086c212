#pragma once
// RelativeTerm: a vector t[d] for each distance d = i - j, clipped to the span, beside
// the keys.
//
//   ((q + u) k + (q + w) t[d]) / sqrt(K)
//
//   shaw            t[d] = `key`[d], learned, [distances, K], the same for all heads;
//                   u = w = 0. Shaw et al. (1803.02155) with vectors on the keys and
//                   none on the values, which their table 3 finds to add nothing.
//   transformer-xl  t[d] = W [cos(d theta^(-2m/D)), sin(..)], m < D/2, W = `key.weight`;
//                   u = `content`, w = `distance`. Dai et al. (1901.02860), u and w of
//                   each layer its own; their code clips distances likewise (clamp_len).
//
// Distances are [0, span] where no key is ahead, [-span, span] in encoders that look
// ahead. Shapes: see score_term.h. Thread-compatible.

#include <torch/torch.h>

#include "model/nn/linear.h"
#include "model/nn/score_term.h"
#include "model/position_shape.h"

namespace strata {

class RelativeTermImpl : public ScoreTermImpl {
 public:
  RelativeTermImpl(const LevelConfig& level, Scope scope, double theta);
  torch::Tensor Scores(const torch::Tensor& q, const torch::Tensor& k,
                       const torch::Tensor& distance) override;

 private:
  // t: [H or 1, rows, K].
  torch::Tensor Vectors(const torch::Tensor& like) const;

  const LevelConfig level_;
  const DistanceRows rows_;
  const double theta_;
  torch::Tensor key_;  // shaw: [rows, K]
  // transformer-xl
  Linear weight_{nullptr};
  torch::Tensor content_, distance_;  // [D]
};

}  // namespace strata
