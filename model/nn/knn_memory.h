#pragma once
// KnnMemory: what a decoder layer makes of the items that have left its window: each head
// of each query looks up the few whose keys are most like it (Wu et al. 2022, "Memorizing
// Transformers", arXiv 2203.08913), and a gate mixes them with what the window gave. The
// gate is a learned number, as there, or depends on the item at hand, as in SPALM
// (Yogatama et al. 2021, 2102.02557).
//
//   s[i, j] = e^scale[h] unit(q[i]) unit(k[j])       unit(x) = x / sqrt(|x|^2 + 1e-6)
//   N       = the knn_neighbours best j in (i - W - M, i - W], of equal ones the newer
//   near    = softmax over N of s[i, j], times v[j]
//   g       = sigmoid(bias[h])                       knn_gate: head
//             sigmoid(gate[h] norm(x[i]) + bias[h])  knn_gate: context
//   out     = g near + (1 - g) local;                local where nothing has left yet
//
// q, k, v are the layer's own, and no position scheme touches these scores: what a key
// says does not fade with its distance. Unlike the paper: the memory is of the last M
// items behind the window, searched exactly, as a sequence keeps them; the scale of the
// cosines is learned; a local softmax sees a sliding window. Within a row the gradient goes
// through what was chosen, which the paper's memory stops; what a segment carried
// (model/segment_rule.h) is stopped as all of it. Unlike SPALM, whose memory is of texts
// and joins at the output, the gate has one number a head.
//
// Training forms the scores of all M candidates, a chunk of queries at a time: time and
// memory grow with n M, whatever is chosen. Which keys are chosen hangs on comparisons of
// floats. Thread-compatible.

#include <torch/torch.h>

#include <cstdint>

#include "model/model_config.h"
#include "model/nn/attention_watcher.h"

namespace strata {

// [.., Q, N] of bool: the `count` highest of each row of scores [.., Q, N], -inf where
// hidden; of equal ones the last. Fewer where fewer are seen.
torch::Tensor NearestKeys(const torch::Tensor& scores, int64_t count);

class KnnMemoryImpl : public torch::nn::Module {
 public:
  explicit KnnMemoryImpl(const LevelConfig& level);

  // g of the normed items [.., D] that have a memory, by `reaches` [..] of bool; 0 of the
  // others: [.., H].
  torch::Tensor Share(const torch::Tensor& normed, const torch::Tensor& reaches) const;
  // Which items of rows have one: [1, n], or [B, n] with `documents` [B, n].
  torch::Tensor Reaches(int64_t n, const torch::Tensor& documents,
                        const torch::Tensor& like) const;

  // Rows of whole texts: `local` [B, n, D] with what the items look up, given the joint
  // projection [B, n, 3 D] and the shares [B, n, H]. `documents`: [B, n] or undefined.
  // Items before `first` are not looked at, and stay as they are. `watcher` may be null.
  torch::Tensor forward(const torch::Tensor& local, const torch::Tensor& qkv,
                        const torch::Tensor& share, const torch::Tensor& documents,
                        int64_t first, AttentionWatcher* watcher) const;

  // The parts of that formula. x [R, Q, H, K] of queries or keys, not turned:
  // [R, H, Q, K].
  torch::Tensor Queries(const torch::Tensor& x) const;
  torch::Tensor Keys(const torch::Tensor& x) const;
  // Weights [R, H, Q, N] of such queries and keys, later ones newer; `seen`: of bool,
  // [R or 1, 1, Q, N]. Of a query that sees none, anything.
  torch::Tensor Weights(const torch::Tensor& q, const torch::Tensor& k,
                        const torch::Tensor& seen) const;

 private:
  // [B or 1, 1, count, keys]: what queries from `first` on see of keys from `begin` on.
  torch::Tensor Seen(int64_t first, int64_t count, int64_t begin, int64_t keys,
                     const torch::Tensor& documents, const torch::Tensor& like) const;

  const int64_t heads_, window_, items_, neighbours_;
  torch::Tensor scale_;  // [H]
  torch::Tensor bias_;   // [H]
  torch::Tensor gate_;   // [H, D]; undefined where the gate knows no context
};
TORCH_MODULE(KnnMemory);

}  // namespace strata
