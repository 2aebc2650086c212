#pragma once
// A stack's layers over items whose keys are in a cache: which layers, gates and halting
// units there are is the stack's, how they attend the caller's. Thread-compatible.

#include <torch/torch.h>

#include "model/hierarchy/layer_stack.h"

namespace strata {

// x [N, D] through all runs; an item that has stopped attends, which leaves its keys and
// values, and passes no layer. `attend`: of the joint projection and the normed items, in
// run i of this layer. `after`: what becomes of what run i made; not called where two
// streams of items pass.
template <typename Attend, typename After>
torch::Tensor AttendThrough(LayerStackImpl& layers, const torch::Tensor& x,
                            Attend attend, After after) {
  if (layers.reversible()) {
    return layers.RunStreams(
        x, [&](int i, AttentionLayerImpl& attention, const torch::Tensor& y) {
          return attention.Apply(
              y, [&](const torch::Tensor& qkv, const torch::Tensor& normed) {
                return attend(qkv, normed, i, attention);
              });
        });
  }
  return layers.Run(x, [&](int i, TransformerLayerImpl& layer, const torch::Tensor& y,
                           const ItemDepth& depth) {
    const auto attended = [&](const torch::Tensor& qkv, const torch::Tensor& normed) {
      return attend(qkv, normed, i, layer.attention());
    };
    return after(i, layer.Apply(y, attended, depth.Going()));
  });
}

}  // namespace strata
