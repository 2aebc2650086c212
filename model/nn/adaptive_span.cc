#include "model/nn/adaptive_span.h"

#include <limits>
#include <vector>

namespace strata {

AdaptiveSpanImpl::AdaptiveSpanImpl(const LevelConfig& level)
    : shape_(SpanOf(level)),
      span_(register_parameter("span", torch::zeros({level.heads}))) {}

torch::Tensor AdaptiveSpanImpl::Spans() {
  if (is_training()) {
    // Beyond an end there would be no gradient to bring it back. Only then is it
    // touched: passes before this one, of the same step, need it as it is.
    torch::NoGradGuard no_grad;
    const auto inside = span_.clamp(0, 1);
    if (!inside.equal(span_)) span_.copy_(inside);
  }
  return span_.clamp(0, 1) * static_cast<double>(shape_.longest);
}

torch::Tensor AdaptiveSpanImpl::Scores(const torch::Tensor& q,
                                       const torch::Tensor& k,
                                       const torch::Tensor& distance) {
  const auto d = distance.abs().to(q.scalar_type());
  const auto z = Spans().to(q.scalar_type()).view({1, -1, 1, 1});
  const auto ramp = static_cast<double>(shape_.ramp);
  const auto shown =
      ((z + ramp - (d.dim() == 2 ? d : d.unsqueeze(1))) / ramp).clamp(0, 1);
  // ln 0 has no gradient that is a number, so what is hidden gets its -inf apart.
  const auto term = shown.clamp_min(std::numeric_limits<float>::min()).log();
  return (Products(q, k) + term)
      .masked_fill(shown <= 0, -std::numeric_limits<double>::infinity());
}

torch::Tensor MeanSpan(const torch::nn::Module& model) {
  std::vector<torch::Tensor> spans;
  for (const auto& module : model.modules()) {
    const auto span = std::dynamic_pointer_cast<AdaptiveSpanImpl>(module);
    if (span != nullptr) spans.push_back(span->Spans());
  }
  return spans.empty() ? torch::Tensor() : at::cat(spans).mean();
}

}  // namespace strata
