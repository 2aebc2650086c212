#include "model/nn/full_attention.h"

#include "model/nn/explicit_attention.h"
#include "model/nn/matrix_precision.h"

namespace strata {

torch::Tensor FullAttention::Attend(const torch::Tensor& q,
                                    const torch::Tensor& k,
                                    const torch::Tensor& v,
                                    const AttentionPlan& plan,
                                    AttentionWatcher* watcher) {
  if (watcher != nullptr) {
    return ExplicitAttention(
               q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
               plan.mask, plan.causal,
               [&](int64_t first, const torch::Tensor& weights) {
                 watcher->OnWeights(plan, first, weights);
               })
        .transpose(1, 2);
  }
  const torch::ScalarType type = AttentionType(q);
  std::optional<torch::Tensor> mask;
  if (plan.mask.defined()) mask = plan.mask.to(type);
  const auto heads_first = [&](const torch::Tensor& x) {
    return x.to(type).transpose(1, 2);
  };
  return at::scaled_dot_product_attention(heads_first(q), heads_first(k),
                                          heads_first(v), mask, /*dropout_p=*/0.0,
                                          /*is_causal=*/plan.causal)
      .transpose(1, 2)
      .to(q.scalar_type());
}

}  // namespace strata
