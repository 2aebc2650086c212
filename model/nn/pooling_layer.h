#pragma once
// PoolingLayer: turns each complete block into the one vector that stands for it
// in the level above.
//
//   p[j] = out(mix(norm(h[j b]), .., norm(h[j b + b - 1])))
//
// `mix` is the pooling rule, one subclass each:
//
//   rule       mix(g)                               width   paper
//   attention  model/nn/attention_pool.h            D       this project's source
//   mean       sum_r g[r] / b                       D       Hourglass, 2110.13711
//   last       g[b - 1]                             D       SpaceByte, 2404.14408
//   concat     g[0] .. g[b - 1] one after another   b D     MEGABYTE, 2305.07185
//
// Shapes: h [B, n, D] -> p [B, n / b, U]; an incomplete tail is ignored.
// Thread-compatible.

#include <torch/torch.h>

#include <memory>

#include "model/model_config.h"
#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

class PoolingLayerImpl : public torch::nn::Module {
 public:
  PoolingLayerImpl(const LevelConfig& level, int64_t dim_above);

  torch::Tensor forward(const torch::Tensor& h);
  // Of units cut already: [units, PoolItems(level), D] -> [units, U].
  torch::Tensor OfUnits(const torch::Tensor& units);
  // What each head gives to the items of such units, [units, H, PoolItems(level)],
  // summing to 1; undefined where the rule has no weights to learn.
  torch::Tensor WeightsOf(const torch::Tensor& units);

 protected:
  // g [units, PoolItems(level), D] -> [units, PoolWidth(level)].
  virtual torch::Tensor Mix(const torch::Tensor& g) = 0;
  // Of the same g: what WeightsOf returns.
  virtual torch::Tensor Weights(const torch::Tensor&) { return {}; }

  const LevelConfig level_;

 private:
  int64_t dim_above_;
  RmsNorm norm_;
  Linear out_;
};
TORCH_MODULE(PoolingLayer);

// The layer of `level.pool`.
std::shared_ptr<PoolingLayerImpl> MakePoolingLayer(const LevelConfig& level,
                                                   int64_t dim_above);

}  // namespace strata
