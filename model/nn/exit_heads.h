#pragma once
// ExitHeads: after which layers of a decoder an item may leave, since what it would
// predict will not change any more: confident adaptive language modelling (CALM: Schuster
// et al. 2022, arXiv 2207.07061). A state is judged by a learned classifier of each layer,
// the cheapest of the paper's three measures: a dot product of width D, where the gap of
// two probabilities takes the whole output matrix, and the change from layer to layer
// takes the layer that was to be saved.
//
//   p[i]  = sigmoid(weight[i - E] x[i] + bias[i - E])    after layer i = E .. L - 1
//   leaves after the first i with p[i] > threshold
//
// x[i] is then what the decoder gives, and what the layers above make the item's keys and
// values of (the paper's copying upward; model/nn/item_depth.h), so later items attend to
// it at any depth. Who decides is each item by itself. Training lets nobody leave: all
// layers learn to predict and the classifiers whether they will be right
// (model/train/exit_loss.h). The threshold is found at its end, on held-out text
// (model/train/exit_threshold.h), and stored with the weights; at first, and where there
// is no such text, it is kNoExit. In fp32 or wider. Thread-compatible.

#include <torch/torch.h>

namespace strata {

class ExitHeadsImpl : public torch::nn::Module {
 public:
  // Of a decoder of `layers`, of which the first `exits` are everyone's.
  ExitHeadsImpl(int64_t dim, int layers, int exits);

  // Whether an item may leave after layer `run`, counted from 0.
  bool After(int run) const { return run + 1 >= exits_ && run + 1 < layers_; }
  // Of x [.., D] after such a layer: the logit of p [..], and who leaves.
  torch::Tensor Logit(int run, const torch::Tensor& x) const;
  torch::Tensor Leaves(int run, const torch::Tensor& x) const;

  // Shut: nobody leaves, and states are told (StackDepth). Open at first.
  void SetOpen(bool open) { open_ = open; }
  bool open() const { return open_; }
  void SetThreshold(double threshold);

 private:
  const int layers_, exits_;
  bool open_ = true;
  torch::Tensor weight_;     // [L - E, D]; InitWeights fills it
  torch::Tensor bias_;       // [L - E]
  torch::Tensor threshold_;  // [1]; not trained
};
TORCH_MODULE(ExitHeads);

}  // namespace strata
