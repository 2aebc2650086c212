#pragma once
// AttentionRecorder: an AttentionWatcher that keeps, of one layer or bridge and one text,
// the heaviest keys of every query and the sum of the rest. Keys are numbered as in
// InspectedStack::keys: positions, then tree nodes by height, then index, or contexts.
// Single owner thread.

#include <torch/torch.h>

#include <vector>

#include "model/inspector.h"
#include "model/nn/attention_watcher.h"

namespace strata {

class AttentionRecorder final : public AttentionWatcher {
 public:
  // REQUIRES: top_k >= 1; heads of the layer.
  AttentionRecorder(std::vector<int> heads, int top_k)
      : heads_(std::move(heads)), top_k_(top_k), maps_(heads_.size()) {}

  // REQUIRES: a batch of one, and one pass.
  void OnWeights(const AttentionPlan& plan, int64_t first,
                 const torch::Tensor& weights) override;
  void OnTreeWeights(const TreePlan& plan, int64_t first,
                     const torch::Tensor& weights) override;
  void OnNeighbourWeights(int64_t query, int64_t key,
                          const torch::Tensor& weights) override;
  void OnContextWeights(const torch::Tensor& contexts,
                        const torch::Tensor& weights) override;

  // Of `layer`, by head; as many rows as there were positions.
  std::vector<AttentionMap> Take(int layer);

 private:
  // Keeps the row of a query under head number `slot`; `keys` may change.
  void Keep(size_t slot, int64_t query, int64_t positions,
            std::vector<AttentionLink>* keys);

  const std::vector<int> heads_;
  const int top_k_;
  std::vector<std::vector<AttentionRow>> maps_;  // [heads][positions]
};

// The number of the first node of each height among all of a tree over `positions`
// positions, and then their count.
std::vector<int64_t> TreeNodeNumbers(const TreeShape& tree, int64_t positions);

}  // namespace strata
