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
  const auto weights =
      Weights(padded.view({batch, groups, each, dim}), pick(0), windows.visible);
  if (watcher_ != nullptr) Tell(windows.index, weights, each, items);
  return Mix(weights, pick(1)).flatten(1, 2).narrow(1, 0, items);
}

torch::Tensor BridgeAttentionImpl::Attend(const torch::Tensor& v,
                                          const torch::Tensor& keys,
                                          const torch::Tensor& values,
                                          const torch::Tensor& visible) {
  return Mix(Weights(v, keys, visible), values);
}

torch::Tensor BridgeAttentionImpl::Weights(const torch::Tensor& v,
                                           const torch::Tensor& keys,
                                           const torch::Tensor& visible) {
  const auto q = ByHead(query_->forward(norm_->forward(v)));
  auto scores = at::matmul(q / std::sqrt(static_cast<double>(q.size(-1))),
                           ByHead(keys).transpose(-2, -1)) +
                bias_.flip(1).unsqueeze(1);
  scores = scores.masked_fill(visible.logical_not().unsqueeze(2).unsqueeze(2),
                              -std::numeric_limits<double>::infinity());
  return scores.softmax(-1);
}

torch::Tensor BridgeAttentionImpl::Mix(const torch::Tensor& weights,
                                       const torch::Tensor& values) {
  const auto mixed = at::matmul(weights, ByHead(values));
  return out_->forward(mixed.transpose(2, 3).flatten(3));
}

torch::Tensor BridgeAttentionImpl::ByHead(const torch::Tensor& x) const {
  return x.unflatten(-1, {heads_, x.size(-1) / heads_}).transpose(2, 3);
}

void BridgeAttentionImpl::Tell(const torch::Tensor& contexts, const torch::Tensor& weights,
                               int64_t each, int64_t items) {
  watcher_->OnContextWeights(
      contexts.expand({weights.size(0), -1, -1})
          .repeat_interleave(each, 1)
          .narrow(1, 0, items),
      weights.transpose(1, 2).flatten(2, 3).narrow(2, 0, items));
}

}  // namespace strata
