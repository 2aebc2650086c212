#pragma once
// AttentionPool: the pooling rule in which a learned query attends to the items
// of a block, each marked by its place in it.
//
//   k[r] = key (g[r] + offset[r])      v[r] = value (g[r] + offset[r])
//   mix  = concat over heads of softmax_r(query . k[r] / sqrt(K)) v[r]
//
// Computed with the query folded into the key matrix and the value matrix
// applied after the sum over r: the same function with 1/block of the products.
// Thread-compatible.

#include <torch/torch.h>

#include "model/nn/linear.h"
#include "model/nn/pooling_layer.h"

namespace strata {

class AttentionPoolImpl : public PoolingLayerImpl {
 public:
  AttentionPoolImpl(const LevelConfig& level, int64_t dim_above);

 protected:
  torch::Tensor Mix(const torch::Tensor& g) override;
  torch::Tensor Weights(const torch::Tensor& g) override;

 private:
  // softmax over r, of g + offset: [units, H, block].
  torch::Tensor Attend(const torch::Tensor& marked);

  Linear key_;
  Linear value_;
  torch::Tensor offset_;  // [block, dim]
  torch::Tensor query_;   // [dim]
};

}  // namespace strata
