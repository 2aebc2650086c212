#include "model/document/linformer_attention.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace strata {
namespace {

// The mixtures of x [R, n, H, K] by the first n columns of `weight`: [R, H, P, K]. What
// stands behind the last column is padding.
torch::Tensor Mixed(const torch::Tensor& x, const torch::Tensor& weight,
                    const torch::Tensor& padding) {
  const int64_t n = std::min(x.size(1), weight.size(1));
  const auto there = padding.logical_not().to(x.scalar_type());
  const auto scale = (static_cast<double>(weight.size(1)) / there.sum(1, true)).sqrt();
  const auto kept = x * (there * scale).unsqueeze(-1).unsqueeze(-1);
  return at::matmul(weight.narrow(1, 0, n), kept.narrow(1, 0, n).transpose(1, 2));
}

}  // namespace

LinformerAttentionImpl::LinformerAttentionImpl(const DocumentLevelConfig& level,
                                               int64_t items)
    : heads_(level.heads) {
  const auto mixtures = [&](const std::string& name) {
    return register_parameter(name, torch::zeros({level.scope.projected, items}));
  };
  for (int i = 0; i < level.layers; ++i) {
    keys_.push_back(mixtures(absl::StrCat("key_", i)));
    values_.push_back(mixtures(absl::StrCat("value_", i)));
  }
}

torch::Tensor LinformerAttentionImpl::Attend(int layer, const torch::Tensor& qkv,
                                             const DocumentRows& rows) {
  const auto parts = qkv.unflatten(2, {3, heads_, -1}).unbind(2);
  const auto q = ApplyRope(parts[0], rows.rope);
  const auto k = ApplyRope(parts[1], rows.rope);
  return at::scaled_dot_product_attention(q.transpose(1, 2),
                                          Mixed(k, keys_[layer], rows.padding),
                                          Mixed(parts[2], values_[layer], rows.padding))
      .transpose(1, 2)
      .flatten(2);
}

}  // namespace strata
