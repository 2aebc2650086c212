#pragma once
// SharedWatcher: between a layer and who watches it, where what the layer's softmax gives
// counts for a share of each query only: tells the weights times that share.
// Single owner thread.

#include <torch/torch.h>

#include <cstdint>

#include "model/nn/attention_watcher.h"

namespace strata {

class SharedWatcher final : public AttentionWatcher {
 public:
  // `share` [B, n, H], of each query and head. `watcher` is borrowed.
  SharedWatcher(const torch::Tensor& share, AttentionWatcher* watcher)
      : share_(share), watcher_(*watcher) {}

  // REQUIRES: a plan without phases.
  void OnWeights(const AttentionPlan& plan, int64_t first,
                 const torch::Tensor& weights) override {
    const int64_t padding = plan.chunks() * plan.chunk - plan.items;
    const auto folded = at::constant_pad_nd(share_, {0, 0, 0, padding})
                            .view({plan.batch * plan.chunks(), plan.chunk, -1})
                            .transpose(1, 2)
                            .narrow(2, first, weights.size(2));
    watcher_.OnWeights(plan, first, weights * folded.unsqueeze(-1));
  }
  void OnTreeWeights(const TreePlan& plan, int64_t first,
                     const torch::Tensor& weights) override {
    watcher_.OnTreeWeights(plan, first, weights);
  }
  void OnNeighbourWeights(int64_t query, int64_t key,
                          const torch::Tensor& weights) override {
    watcher_.OnNeighbourWeights(query, key, weights);
  }

 private:
  const torch::Tensor share_;
  AttentionWatcher& watcher_;
};

}  // namespace strata
