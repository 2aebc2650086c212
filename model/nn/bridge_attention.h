#pragma once
// BridgeAttention: items of a block attend to what the level above said, to the context
// of their own block and to those of the blocks before it: Hourglass's attention
// upsampling (Nawrot et al. 2021, 2110.13711).
//
//   v[i] = skip[i-1] + W_bridge o[j][r]                as the bridge `linear`
//   u[i] = v[i] + W_out softmax(q k[t] / sqrt(K) + bias[j - t]) value[t]
//          q = W_query norm(v[i]);  t in (j - W, j], t >= 0;  W = bridge_window
//
// j is the block of item i, r its offset. k and value are W_bridge's last two rows of
// o, which is normed already; bias [H, W] is learned, one number a head and distance
// (as T5's, 1910.10683), so a key that is kept says nothing of its place. As in the
// paper, the query is the upsampled item with its residual, and there is a residual
// around the attention; unlike it, a block sees the contexts that are complete before
// it begins, where the paper's shifted whole sequence is at hand, and only the last W:
// o[j] has seen all blocks before j, so older contexts, which foresaw blocks that are
// over, add little, and 2 W vectors are all that a sequence keeps of them.
// Thread-compatible.

#include <torch/torch.h>

#include "model/model_config.h"
#include "model/nn/attention_watcher.h"
#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

// The contexts that groups of items see, oldest first: G groups, R rows, 1 or B.
struct ContextWindows {
  torch::Tensor index;    // [R, G, W] of int64, 0 where not visible
  torch::Tensor visible;  // [R, G, W] of bool
};

// `newest` [R, G]: of each group. `segments`: [B, contexts] document of each context's
// block, or undefined.
ContextWindows WindowsOf(const torch::Tensor& newest, int64_t window,
                         const torch::Tensor& segments);

class BridgeAttentionImpl : public torch::nn::Module {
 public:
  explicit BridgeAttentionImpl(const LevelConfig& level);

  // Of whole texts: v [B, n + 1, D], where group g has the items [g m, (g + 1) m), m
  // being `each`, the last ones fewer; said [B, contexts, 2, D], keys and values.
  // Returns u - v.
  torch::Tensor forward(const torch::Tensor& v, int64_t each,
                        const torch::Tensor& said, const ContextWindows& windows);
  // v [R, G, m, D]; keys, values [R, G, W, D]; visible [R, G, W]. Returns u - v.
  torch::Tensor Attend(const torch::Tensor& v, const torch::Tensor& keys,
                       const torch::Tensor& values, const torch::Tensor& visible);

  // From now on `forward` tells `watcher` its weights; null: nobody, as at first. Borrowed.
  void Watch(AttentionWatcher* watcher) { watcher_ = watcher; }

 private:
  // The softmax: [R, G, H, m, W].
  torch::Tensor Weights(const torch::Tensor& v, const torch::Tensor& keys,
                        const torch::Tensor& visible);
  torch::Tensor Mix(const torch::Tensor& weights, const torch::Tensor& values);
  torch::Tensor ByHead(const torch::Tensor& x) const;  // [R, G, .., D] -> [R, G, H, .., K]
  // To the watcher, of `items` items in groups of `each`.
  void Tell(const torch::Tensor& contexts, const torch::Tensor& weights, int64_t each,
            int64_t items);

  int64_t heads_;
  RmsNorm norm_;
  Linear query_;
  Linear out_;
  torch::Tensor bias_;  // [H, W], by distance
  AttentionWatcher* watcher_ = nullptr;
};
TORCH_MODULE(BridgeAttention);

}  // namespace strata
