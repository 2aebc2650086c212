#include "model/nn/bridge_attention.h"

#include <cmath>
#include <limits>

namespace strata {

ContextWindows WindowsOf(const torch::Tensor& newest, int64_t window,
                         const torch::Tensor& segments) {
  const auto back = torch::arange(window - 1, -1, -1, newest.options());
  const auto at = newest.unsqueeze(-1) - back;
  ContextWindows windows = {at.clamp_min(0), at >= 0};
  if (!segments.defined()) return windows;
  const int64_t batch = segments.size(0);
  const auto of = [&](const torch::Tensor& index) {
    const auto each = index.expand({batch, -1, -1});
    return segments.gather(1, each.flatten(1)).view(each.sizes());
  };
  windows.visible =
      windows.visible & (of(windows.index) == of(newest.unsqueeze(-1)));
  return windows;
}

BridgeAttentionImpl::BridgeAttentionImpl(const LevelConfig& level)
    : heads_(level.heads),
      norm_(register_module("norm", RmsNorm(level.dim))),
      query_(register_module("query", Linear(level.dim, level.dim))),
      out_(register_module("out", Linear(level.dim, level.dim))),
      bias_(register_parameter(
          "bias", torch::zeros({level.heads, level.bridge_window}))) {}

torch::Tensor BridgeAttentionImpl::forward(const torch::Tensor& v, int64_t each,
                                           const torch::Tensor& said,
                                           const ContextWindows& windows) {
  const int64_t batch = v.size(0), items = v.size(1), dim = v.size(2);
  const int64_t groups = windows.index.size(1), window = windows.index.size(2);
  const auto index = windows.index.expand({batch, -1, -1}).flatten(1).unsqueeze(-1);
  const auto pick = [&](int64_t part) {
    return said.select(2, part)
        .gather(1, index.expand({-1, -1, dim}))
        .view({batch, groups, window, dim});
  };
  const auto padded = at::constant_pad_nd(v, {0, 0, 0, groups * each - items});
  return Attend(padded.view({batch, groups, each, dim}), pick(0), pick(1),
                windows.visible)
      .flatten(1, 2)
      .narrow(1, 0, items);
}

torch::Tensor BridgeAttentionImpl::Attend(const torch::Tensor& v,
                                          const torch::Tensor& keys,
                                          const torch::Tensor& values,
                                          const torch::Tensor& visible) {
  const int64_t width = v.size(-1) / heads_;
  const auto by_head = [&](const torch::Tensor& x) {
    return x.unflatten(-1, {heads_, width}).transpose(2, 3);  // [R, G, H, .., K]
  };
  const auto q = by_head(query_->forward(norm_->forward(v)));
  auto scores = at::matmul(q / std::sqrt(static_cast<double>(width)),
                           by_head(keys).transpose(-2, -1)) +
                bias_.flip(1).unsqueeze(1);
  scores = scores.masked_fill(visible.logical_not().unsqueeze(2).unsqueeze(2),
                              -std::numeric_limits<double>::infinity());
  const auto mixed = at::matmul(scores.softmax(-1), by_head(values));
  return out_->forward(mixed.transpose(2, 3).flatten(3));
}

}  // namespace strata
