#pragma once
// ItemDepth: which items of a stack of layers still go on, in one pass through it. An
// item that has stopped keeps its state: the layers above make its keys and values of
// that, and no more (model/nn/halting_unit.h says when items stop). Where nothing lets
// items stop, it does nothing and costs nothing. Used for one pass.

#include <torch/torch.h>

#include "model/nn/halting_unit.h"

namespace strata {

// What became of the items of a stack, [..] each; undefined where all go all the way.
struct StackDepth {
  torch::Tensor repeats;  // of int64: those that it passed
  torch::Tensor ponder;   // with gradient
};

class ItemDepth {
 public:
  // `halting`: null, or what may halt items after a repeat. Borrowed.
  explicit ItemDepth(const HaltingUnitImpl* halting) : halting_(halting) {}

  // `now` of the items that go on, `was` of the others; [.., D] each.
  torch::Tensor Keep(const torch::Tensor& was, const torch::Tensor& now) const;
  // Of items [N, D]: the numbers of those that go on. Undefined: all. Waits for the
  // device.
  torch::Tensor Going() const;
  // x [.., D] after a repeat; `last`: there is no other.
  void AfterRepeat(const torch::Tensor& x, bool last);
  // What the stack gives, x being its items' last states.
  torch::Tensor Output(const torch::Tensor& x) const {
    return halting_ == nullptr ? x : mean_;
  }
  const StackDepth& depth() const { return depth_; }

 private:
  const HaltingUnitImpl* halting_;
  torch::Tensor going_;  // [..] of bool; undefined: all
  torch::Tensor spent_;  // [..] sum of p
  torch::Tensor mean_;   // [.., D]
  StackDepth depth_;
};

}  // namespace strata
