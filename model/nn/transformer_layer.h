#pragma once
// TransformerLayer: x += attn(x); x += ff(x), both normed at their entrance
// (pre-norm), each followed by dropout in training; or gates in place of the sums
// (model/nn/gru_gate.h). Thread-compatible; dropout draws from the process's default
// generator.

#include <torch/torch.h>

#include <memory>

#include "model/nn/attention_layer.h"
#include "model/nn/attention_plan.h"
#include "model/nn/feed_forward.h"
#include "model/nn/gru_gate.h"

namespace strata {

class TransformerLayerImpl : public torch::nn::Module {
 public:
  TransformerLayerImpl(int64_t dim, int64_t heads, int64_t ff_mult,
                       double dropout, const TreeShape& tree = {},
                       std::shared_ptr<ScoreTermImpl> term = nullptr,
                       GateKind gate = GateKind::kResidual,
                       std::shared_ptr<BucketRuleImpl> rule = nullptr);
  // `past`: AttentionLayerImpl's.
  torch::Tensor forward(const torch::Tensor& x, const AttentionPlan& plan,
                        const torch::Tensor& past = {});
  torch::Tensor forward(const torch::Tensor& x, const TreePlan& plan);
  // The same with attention as the caller computes it.
  // `rows`: of x [N, D] those that go on, or undefined for all: the others attend, which
  // leaves their keys and values, and stay as they are.
  torch::Tensor Apply(const torch::Tensor& x, AttendFunction attend,
                      const torch::Tensor& rows = {});
  AttentionLayerImpl& attention() { return *attn_; }
  FeedForwardImpl& feed_forward() { return *ff_; }
  double dropout() const { return is_training() ? dropout_ : 0.0; }

 private:
  torch::Tensor AddHalves(const torch::Tensor& x, const torch::Tensor& mixed);

  double dropout_;
  AttentionLayer attn_;
  FeedForward ff_;
  GruGate attn_gate_{nullptr}, ff_gate_{nullptr};
};
TORCH_MODULE(TransformerLayer);

}  // namespace strata
