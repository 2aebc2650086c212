#pragma once
// ItemDepth: which items of a stack of layers still go on, in one pass through it. An
// item that has stopped keeps its state: the layers above make its keys and values of
// that, and no more. Items stop by halting units (model/nn/halting_unit.h) or leave by
// exits (model/nn/exit_heads.h). Where neither is, it does nothing and costs nothing.
// Used for one pass.

#include <torch/torch.h>

#include <vector>

#include "model/nn/exit_heads.h"
#include "model/nn/halting_unit.h"

namespace strata {

// What became of the items of a stack, [..] each; undefined where all go all the way.
struct StackDepth {
  torch::Tensor layers;  // of int64: those that it passed
  torch::Tensor ponder;  // of a halting unit, with gradient
  // Where exits are shut: [.., D] after each layer that has one, and after the last.
  std::vector<torch::Tensor> states;
};

class ItemDepth {
 public:
  // Borrowed; null: nobody stops so.
  ItemDepth(const HaltingUnitImpl* halting, const ExitHeadsImpl* exits)
      : halting_(halting), exits_(exits) {}

  // `now` of the items that go on, `was` of the others; [.., D] each.
  torch::Tensor Keep(const torch::Tensor& was, const torch::Tensor& now) const;
  // Of items [N, D]: the numbers of those that go on. Undefined: all. Waits for the
  // device.
  torch::Tensor Going() const;
  // x [.., D] after layer `run`; `repeat`: it ends one; `last`: there is no other.
  void AfterRun(int run, bool repeat, bool last, const torch::Tensor& x);
  // What the stack gives, x being its items' last states.
  torch::Tensor Output(const torch::Tensor& x) const {
    return halting_ == nullptr ? x : mean_;
  }
  const StackDepth& depth() const { return depth_; }

 private:
  void Begin(const torch::Tensor& x);
  void Halt(const torch::Tensor& x, bool last);

  const HaltingUnitImpl* halting_;
  const ExitHeadsImpl* exits_;
  torch::Tensor going_;  // [..] of bool; undefined: all
  torch::Tensor spent_;  // of a halting unit: [..] sum of p
  torch::Tensor mean_;   // and [.., D]
  StackDepth depth_;
};

}  // namespace strata
