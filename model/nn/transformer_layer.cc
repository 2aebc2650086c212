#include "model/nn/transformer_layer.h"

#include <utility>

#include "model/nn/residual.h"

namespace strata {

TransformerLayerImpl::TransformerLayerImpl(int64_t dim, int64_t heads,
                                           int64_t ff_mult, double dropout,
                                           const TreeShape& tree,
                                           std::shared_ptr<ScoreTermImpl> term,
                                           GateKind gate,
                                           std::shared_ptr<BucketRuleImpl> rule)
    : dropout_(dropout),
      attn_(register_module("attn", AttentionLayer(dim, heads, tree, std::move(term),
                                                   std::move(rule)))),
      ff_(register_module("ff", FeedForward(dim, ff_mult * dim))) {
  if (gate != GateKind::kGru) return;
  attn_gate_ = register_module("attn_gate", GruGate(dim));
  ff_gate_ = register_module("ff_gate", GruGate(dim));
}

torch::Tensor TransformerLayerImpl::forward(const torch::Tensor& x,
                                            const AttentionPlan& plan,
                                            const torch::Tensor& past) {
  return AddHalves(x, attn_->forward(x, plan, past));
}

torch::Tensor TransformerLayerImpl::forward(const torch::Tensor& x,
                                            const TreePlan& plan) {
  return AddHalves(x, attn_->forward(x, plan));
}

torch::Tensor TransformerLayerImpl::Apply(const torch::Tensor& x,
                                          AttendFunction attend,
                                          const torch::Tensor& rows) {
  if (!rows.defined()) return AddHalves(x, attn_->Apply(x, attend));
  const auto mixed = attn_->Apply(
      x, [&](const torch::Tensor& qkv, const torch::Tensor& normed) {
        return attend(qkv, normed).index_select(0, rows);
      });
  return x.index_copy(0, rows, AddHalves(x.index_select(0, rows), mixed));
}

torch::Tensor TransformerLayerImpl::AddHalves(const torch::Tensor& x,
                                              const torch::Tensor& mixed) {
  const double rate = dropout();
  if (!attn_gate_.is_empty()) {
    const auto y = attn_gate_->forward(x, Dropped(mixed, rate));
    return ff_gate_->forward(y, Dropped(ff_->forward(y), rate));
  }
  const auto y = AddDropped(x, mixed, rate);
  return AddDropped(y, ff_->forward(y), rate);
}

}  // namespace strata
