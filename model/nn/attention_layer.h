#pragma once
// AttentionLayer: out(attention(norm(x))), the first half of a TransformerLayer
// without its residual. q, k and v come from one matrix, as rows in that order.
// Thread-compatible.

#include <torch/torch.h>

#include "model/nn/attention_plan.h"
#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

class AttentionLayerImpl : public torch::nn::Module {
 public:
  AttentionLayerImpl(int64_t dim, int64_t heads);
  torch::Tensor forward(const torch::Tensor& x, const AttentionPlan& plan);

 private:
  int64_t heads_;
  RmsNorm norm_;
  Linear qkv_;
  Linear out_;
};
TORCH_MODULE(AttentionLayer);

}  // namespace strata
