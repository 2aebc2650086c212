#include "model/nn/full_attention.h"

namespace strata {

torch::Tensor FullAttention::Attend(const torch::Tensor& q,
                                    const torch::Tensor& k,
                                    const torch::Tensor& v,
                                    const AttentionPlan& plan) {
  std::optional<torch::Tensor> mask;
  if (plan.mask.defined()) mask = plan.mask;
  return at::scaled_dot_product_attention(
             q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask,
             /*dropout_p=*/0.0, /*is_causal=*/plan.causal)
      .transpose(1, 2);
}

}  // namespace strata
