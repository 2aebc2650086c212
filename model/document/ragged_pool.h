#pragma once
// RaggedPool: a learned query attends to the items of a row of any length and
// gives the one vector that stands for it, and how much each item had in it.
// Hierarchical attention networks (Yang et al. 2016), with the scaled products of
// a transformer instead of a tanh layer:
//
//   g[r] = norm(h[r])
//   a    = softmax_r(query . key g[r] / sqrt(K))        one for each of H heads
//   p    = out(concat over heads of sum_r a[r] value g[r])
//   w[r] = mean of a[r] over the heads
//
// Unlike PoolingLayer (model/nn) its rows are ragged and it keeps the weights.
// Thread-compatible.

#include <torch/torch.h>

#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

struct Pooled {
  torch::Tensor vector;   // [R, U]
  torch::Tensor weights;  // [R, n]; 0 on padding, a row sums to 1
};

class RaggedPoolImpl : public torch::nn::Module {
 public:
  RaggedPoolImpl(int64_t dim, int64_t heads, int64_t dim_above);

  // h [R, n, D]; mask [R, 1, n]: 0, or -inf on padding. REQUIRES: every row has
  // an item.
  Pooled forward(const torch::Tensor& h, const torch::Tensor& mask);

 private:
  int64_t dim_;
  int64_t heads_;
  RmsNorm norm_;
  Linear key_;
  Linear value_;
  Linear out_;
  torch::Tensor query_;  // [dim]
};
TORCH_MODULE(RaggedPool);

}  // namespace strata
