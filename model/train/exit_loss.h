#pragma once
// What a model whose items may leave early learns (CALM: Schuster et al. 2022, arXiv
// 2207.07061): every layer with an exit to predict by the model's own norm and head, as
// the last one does, and each exit's classifier whether the prediction stays.
//
//   layers = sum over i of i loss[i] / sum over i of i      i: layers E .. L, the last too
//   judges = mean over exits of -ln p of "the likeliest item after layer i is that after
//            layer L", given the state after layer i
//
// Classifiers judge states that they do not change: their inputs are detached, so the
// model learns nothing from them. Both are learnt at once here, where the paper trains
// them one after the other. Errors are exceptions.

#include <torch/torch.h>

#include <vector>

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/train/batch_tensors.h"

namespace strata {

// Within its life nobody leaves `model` early, and states are told (StackDepth).
class ShutExits {
 public:
  explicit ShutExits(HierarchicalTransformer model);
  ~ShutExits();
  ShutExits(const ShutExits&) = delete;
  ShutExits& operator=(const ShutExits&) = delete;

 private:
  ExitHeads exits_;  // empty where the model has none
};

struct ExitLoss {
  torch::Tensor layers, judges;
};

// Sums over the items of `rows` that are learnt. `states`: of the byte level's decoder,
// of PredictingContexts of these items with the exits shut.
ExitLoss ExitLossSums(HierarchicalTransformer model,
                      const std::vector<torch::Tensor>& states,
                      const BatchTensors& rows);

}  // namespace strata
