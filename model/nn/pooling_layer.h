#pragma once
// PoolingLayer: a learned query attends to the items of each complete block and
// gives the one vector that stands for it in the level above.
//
//   g[r] = norm(h[r]) + offset[r]
//   p    = out(concat over heads of softmax_r(query . key g[r] / sqrt(K)) value g[r])
//
// Computed with the query folded into the key matrix and the value matrix
// applied after the sum over r: the same function with 1/block of the products.
// Thread-compatible.

#include <torch/torch.h>

#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

class PoolingLayerImpl : public torch::nn::Module {
 public:
  PoolingLayerImpl(int64_t dim, int64_t heads, int64_t block, int64_t dim_above);

  // h [B, n, dim] -> [B, n / block, dim_above]; an incomplete tail is ignored.
  torch::Tensor forward(const torch::Tensor& h);

 private:
  int64_t dim_;
  int64_t heads_;
  int64_t block_;
  int64_t dim_above_;
  RmsNorm norm_;
  Linear key_;
  Linear value_;
  Linear out_;
  torch::Tensor offset_;  // [block, dim]
  torch::Tensor query_;   // [dim]
};
TORCH_MODULE(PoolingLayer);

}  // namespace strata
