#pragma once
// Next-block prediction: every level above the bytes learns to foresee its own items
// (predictive coding; after the hierarchical autoregressive loss of Mirasol3B, arXiv
// 2311.05698, made safe from collapse). Training alone has it: its weights are in
// checkpoints, never in a model.
//
//   n(x)    = x / sqrt(mean(x^2) + 1e-5)           over the channels, without weights
//   e_l[j]  = mean over channels of (A_l c_l[j] - n(z_l[j]))^2     z: no gradient
//   v_l     = mean over channels of max(0, kLeastDeviation - deviation_l)
//   sum     = sum over levels l >= 1 of sum_j w_l[j] (e_l[j] + v_l)
//
// z_l[j], c_l[j]: the pooled item of block j, and the context that has seen the blocks
// before it (model/README.md). w_l[j]: the trained items that lie in the block, so that
// padding and prompts count nothing and the errors of rows add up. A_l [D_l, D_l] begins
// at zero: e = 1 knows nothing.
//
// Blocks that all look alike would be the easiest to foresee. So the error does not move
// z; and v (the variance term of VICReg, arXiv 2105.04906) does: deviation_l is the
// standard deviation of a channel of n(z_l) over the blocks with weight of one forward
// pass, so another micro-batch is, a little, another objective.
//
// Thread-compatible; errors are exceptions.

#include <torch/torch.h>

#include <vector>

#include "model/hierarchy/level.h"
#include "model/model_config.h"
#include "model/nn/linear.h"

namespace strata {

// Of a channel over the blocks; n(z) is 1 in size, so 1 is the most that all channels
// can have.
inline constexpr double kLeastDeviation = 0.5;

// Faults to plant for negative controls in tests; production uses the default.
struct BlockLossFaults {
  bool gradient_to_target = false;
  bool no_variance_term = false;
};

class BlockPredictorImpl : public torch::nn::Module {
 public:
  explicit BlockPredictorImpl(const ModelConfig& config,
                              BlockLossFaults faults = {});

  // The sum above, a scalar with gradient. `levels`: the activations of a forward pass
  // over items [B, n] but the last; `trained` [B, n].
  torch::Tensor LossSum(const std::vector<LevelActivations>& levels,
                        const torch::Tensor& trained);

  // A_l = 0.
  void Reset();

 private:
  const ModelConfig config_;
  const BlockLossFaults faults_;
  torch::nn::ModuleList predictor_;  // A_1, A_2, ..
};
TORCH_MODULE(BlockPredictor);

// n(x).
torch::Tensor OfUnitSize(const torch::Tensor& x);
// The deviation of each channel of [items, D].
torch::Tensor ChannelDeviations(const torch::Tensor& x);

}  // namespace strata
