#pragma once
// EntrancePositions: what a position scheme adds to a level's items where they enter a
// stack of layers. i is the item's index in its document.
//
//   sinusoidal  x + gain * [cos(i theta^(-2m/D)), sin(..)], m < D/2    1706.03762
//   learned     x + rows[min(i, span - 1)]                             1705.03122
//
// The gain is learned, per channel: the paper's sinusoids have a size of 1 beside
// embeddings that begin at 0.02 here. An item beyond the learned rows takes the last
// one, so a model decodes on where its rows end, but cannot tell such items apart.
//
// Shapes: x [B, n, D], index [B or 1, n] or x [n, D], index [n]. Thread-compatible.

#include <torch/torch.h>

#include "model/model_config.h"

namespace strata {

class EntrancePositionsImpl : public torch::nn::Module {
 public:
  // REQUIRES: a scheme that adds something.
  EntrancePositionsImpl(const LevelConfig& level, double theta);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& index);

 private:
  const LevelConfig level_;
  const double theta_;
  torch::Tensor weight_;  // gain [D], or rows [span, D]
};
TORCH_MODULE(EntrancePositions);

}  // namespace strata
