#pragma once
// LinearAttention: attention whose weights are products of positive features, so that
// all the past is one sum: Katharopoulos et al. 2020 (2006.16236), with their features.
//
//   mixed[i] = (sum_j<=i (phi(q[i]) phi(k[j])) v[j]) / max(sum_j<=i phi(q[i]) phi(k[j]), 1e-6)
//            = (S[i] phi(q[i])) / max(z[i] phi(q[i]), 1e-6)
//   S[i]     = S[i-1] + v[i] phi(k[i])        z[i] = z[i-1] + phi(k[i])
//   phi(x)   = x + 1 where x > 0, else e^x    (elu + 1), K features of a head
//
// Why these features: they are exact, need no seed and nothing in a file, and can
// neither overflow nor vanish; Performer's random ones (2009.14794) come near to softmax
// only with many more features than K, and a state as many times larger. Turns (rope)
// enter before phi, as in Performer's public code: weights stay positive and sum to one,
// but depend on the places in the document, not on the distance alone, so packed rows
// are turned document by document. A score by distance has no place in a sum over keys;
// model/model_config.cc refuses such schemes.
//
// Whole texts go in chunks of kSumChunk items: products inside a chunk, and the sum of
// the chunks before it: linear in the length. Sums are in the tensors' own type, so in
// fp32 what one item adds to a sum over n others is rounded to n 2^-24 of itself.
// No parameters. Thread-safe.

#include <torch/torch.h>

#include "model/nn/attention_plan.h"
#include "model/nn/attention_watcher.h"

namespace strata {

inline constexpr int64_t kSumChunk = 64;
inline constexpr double kLeastSum = 1e-6;

class LinearAttention {
 public:
  // q, k, v [B, n, H, K], turned; `documents`: [B, n] of each item, which sees its own
  // alone, or undefined. `sums`: null, or [B, H, K, K + 1], S by feature and z behind it,
  // before the first item; after the last on return. Returns [B, n, H, K].
  static torch::Tensor Attend(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, const torch::Tensor& documents,
                              torch::Tensor* sums);
  // Of the rows of a plan whose chunks are whole texts. `watcher` may be null; one is
  // told what each key weighs, which costs n^2.
  static torch::Tensor Attend(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, const AttentionPlan& plan,
                              AttentionWatcher* watcher);
};

}  // namespace strata
