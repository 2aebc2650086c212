#pragma once
// LayerStack: the layers of a level's encoder or decoder. Where the level repeats, the
// stack runs them so many times, one after another, with the same weights each time:
// the Universal Transformer's recurrence in depth (arXiv 1807.03819), without halting.
//
//   x <- x + repeat[r]               at the entrance of repeat r, where R > 1
//   x <- layer[i mod L](x)           runs i = r L .. (r + 1) L - 1
//
// `repeat` [R, D] is learned: the paper's coordinate in depth, which there is a
// sinusoid. What a position scheme adds, it adds once, before the first repeat.
// Thread-compatible.

#include <torch/torch.h>

#include <vector>

#include "model/model_config.h"
#include "model/nn/transformer_layer.h"

namespace strata {

class LayerStackImpl : public torch::nn::Module {
 public:
  // Of level l, with so many `layers` of its own.
  LayerStackImpl(const ModelConfig& config, int l, int layers, Scope scope);

  int runs() const { return runs_; }
  TransformerLayerImpl& layer(int run);

  // Through all runs: x = through(run, layer, x). x [.., D].
  template <typename Through>
  torch::Tensor Run(torch::Tensor x, Through through) {
    for (int run = 0; run < runs_; ++run) {
      x = through(run, layer(run), Enter(run, x));
    }
    return x;
  }

 private:
  torch::Tensor Enter(int run, const torch::Tensor& x) const;

  int layers_;
  int runs_;
  std::vector<TransformerLayer> weights_;
  torch::Tensor repeat_;  // [R, D]; undefined where there is one repeat
};
TORCH_MODULE(LayerStack);

}  // namespace strata
