#pragma once
// AttentionLayer: out(attention(norm(x))), the first half of a TransformerLayer
// without its residual. q, k and v come from one matrix, as rows in that order.
// How they attend is the caller's: over whole texts by a plan, or over the cache
// of a decoder. With a tree, nodes are made by the layer's own matrices
// (model/nn/tree_summary.h). A memory of neighbours (model/nn/knn_memory.h) joins what
// a plan's window gave. Thread-compatible.

#include <torch/torch.h>

#include <memory>

#include "absl/functional/function_ref.h"
#include "model/nn/attention_plan.h"
#include "model/nn/attention_watcher.h"
#include "model/nn/bucket_rule.h"
#include "model/nn/knn_memory.h"
#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"
#include "model/nn/score_term.h"
#include "model/nn/tree_plan.h"
#include "model/nn/tree_summary.h"

namespace strata {

// From the joint projection [.., 3 D], of the normed items [.., D], to the mixed values
// [.., D].
using AttendFunction = absl::FunctionRef<torch::Tensor(const torch::Tensor& qkv,
                                                       const torch::Tensor& normed)>;

class AttentionLayerImpl : public torch::nn::Module {
 public:
  // A `tree` without leaves: none. A null `term`: scores are q k / sqrt(K). `rule`: of
  // plans of buckets, or null.
  AttentionLayerImpl(int64_t dim, int64_t heads, const TreeShape& tree = {},
                     std::shared_ptr<ScoreTermImpl> term = nullptr,
                     std::shared_ptr<BucketRuleImpl> rule = nullptr);
  // `past` [B, M, D], where there is one: items before those of x, which they attend to
  // as well. The plan is of both.
  torch::Tensor forward(const torch::Tensor& x, const AttentionPlan& plan,
                        const torch::Tensor& past = {});
  torch::Tensor forward(const torch::Tensor& x, const TreePlan& plan);
  torch::Tensor Apply(const torch::Tensor& x, AttendFunction attend);

  // Gives the layer a memory of neighbours. REQUIRES: no tree.
  void AddMemory(KnnMemory memory);

  ScoreTermImpl* term() { return term_.get(); }
  KnnMemory& memory() { return memory_; }  // empty where there is none
  // REQUIRES: a tree.
  TreeSummaryImpl& tree() { return *tree_; }
  NodeMatrices node_matrices() const;

  // From now on the passes by a plan tell `watcher` their weights; null: nobody,
  // as at first. Borrowed.
  void Watch(AttentionWatcher* watcher) { watcher_ = watcher; }

 private:
  torch::Tensor Attend(const torch::Tensor& qkv, const AttentionPlan& plan,
                       AttentionWatcher* watcher);
  // The same with what the items from `first` on look up.
  torch::Tensor AttendAndLookUp(const torch::Tensor& qkv, const torch::Tensor& normed,
                                const AttentionPlan& plan, int64_t first);

  int64_t heads_;
  RmsNorm norm_;
  Linear qkv_;
  Linear out_;
  TreeSummary tree_{nullptr};
  std::shared_ptr<ScoreTermImpl> term_;
  KnnMemory memory_{nullptr};
  std::shared_ptr<BucketRuleImpl> rule_;
  AttentionWatcher* watcher_ = nullptr;
};
TORCH_MODULE(AttentionLayer);

}  // namespace strata
