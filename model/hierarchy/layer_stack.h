#pragma once
// LayerStack: the layers of a level's encoder or decoder. Where the level repeats, the
// stack runs them so many times, one after another, with the same weights each time:
// the Universal Transformer's recurrence in depth (arXiv 1807.03819).
//
//   x <- x + repeat[r]               at the entrance of repeat r, where R > 1
//   x <- layer[i mod L](x)           runs i = r L .. (r + 1) L - 1
//
// `repeat` [R, D] is learned: the paper's coordinate in depth, which there is a
// sinusoid. What a position scheme adds, it adds once, before the first repeat. Where the
// level's items halt (model/nn/halting_unit.h), each passes as many repeats as it needs:
// one that has stopped keeps its state, and adds no further row of `repeat` to it; nor
// does one that has left by an exit (model/nn/exit_heads.h) pass a further layer.
// Where the level's gate is `reversible`, two streams of items pass the layers
// (model/nn/reversible_stack.h). Thread-compatible.

#include <torch/torch.h>

#include <functional>
#include <vector>

#include "model/model_config.h"
#include "model/nn/item_depth.h"
#include "model/nn/transformer_layer.h"

namespace strata {

class LayerStackImpl : public torch::nn::Module {
 public:
  // Of level l, with so many `layers` of its own. `exits`: as of LevelConfig. `knn_run`:
  // the one with a memory of neighbours, or -1.
  LayerStackImpl(const ModelConfig& config, int l, int layers, Scope scope,
                 int exits = 0, int knn_run = -1);

  int runs() const { return runs_; }
  TransformerLayerImpl& layer(int run);
  ExitHeads& exits() { return exit_; }  // empty where items leave none early

  // Whether two streams pass it: then RunStreams, else Run.
  bool reversible() const { return reversible_; }
  // Through all runs. `attend`: what the attention of a run makes of its input; of what it
  // holds, all must live until the backward pass.
  using AttendInput = std::function<torch::Tensor(int run, AttentionLayerImpl& attention,
                                                  const torch::Tensor& x)>;
  torch::Tensor RunStreams(const torch::Tensor& x, const AttendInput& attend);

  // Through all runs: x = through(run, layer, x, depth), of which only the items that
  // go on need be computed. x [.., D]. `told`: null, or what became of the items.
  template <typename Through>
  torch::Tensor Run(torch::Tensor x, Through through, StackDepth* told = nullptr) {
    ItemDepth depth(halt_.is_empty() ? nullptr : halt_.get(),
                    exit_.is_empty() ? nullptr : exit_.get());
    for (int run = 0; run < runs_; ++run) {
      const auto entered = depth.Keep(x, Enter(run, x));
      x = depth.Keep(entered, through(run, layer(run), entered, depth));
      depth.AfterRun(run, (run + 1) % layers_ == 0, run + 1 == runs_, x);
    }
    if (told != nullptr) *told = depth.depth();
    return depth.Output(x);
  }

 private:
  torch::Tensor Enter(int run, const torch::Tensor& x) const;

  int layers_;
  int runs_;
  bool reversible_;
  std::vector<TransformerLayer> weights_;
  torch::Tensor repeat_;  // [R, D]; undefined where there is one repeat
  ExitHeads exit_{nullptr};
  HaltingUnit halt_{nullptr};  // empty where every item passes all repeats
};
TORCH_MODULE(LayerStack);

}  // namespace strata
