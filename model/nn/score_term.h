#pragma once
// ScoreTerm: the scores of one layer under a position scheme that makes more of them
// than q k / sqrt(K) (model/position_scheme.h), one subclass for each way:
//
//   bias       q k / sqrt(K) + a fixed function of head and distance   (here)
//   relative   model/nn/relative_term.h
//   factor     model/nn/distance_factor.h
//   adaptive   model/nn/adaptive_span.h
//
// Shapes: q [R, H, Q, K] as turned, k [R, H, N, K], distance [Q, N] or [R, Q, N] of
// int64, query's item minus key's: scores [R, H, Q, N]. Thread-compatible.

#include <torch/torch.h>

#include <memory>

#include "model/model_config.h"

namespace strata {

class ScoreTermImpl : public torch::nn::Module {
 public:
  virtual torch::Tensor Scores(const torch::Tensor& q, const torch::Tensor& k,
                               const torch::Tensor& distance) = 0;

 protected:
  // q k / sqrt(K).
  static torch::Tensor Products(const torch::Tensor& q, const torch::Tensor& k);
};

// Of a layer with this scope; null where the level's scheme has none.
std::shared_ptr<ScoreTermImpl> MakeScoreTermModule(const LevelConfig& level,
                                                   Scope scope, double theta);

}  // namespace strata
