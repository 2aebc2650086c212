#pragma once
// AdaptiveSpan: attention whose heads learn how far back they look (Sukhbaatar et al.,
// "Adaptive Attention Span in Transformers", 1905.07799).
//
//   weight of key j ~ m(d) e^(q k / sqrt(K))     m(d) = clamp((R + z - |d|) / R, 0, 1)
//   z = S clamp(span[h], 0, 1)                   S, R: SpanOf of model/position_shape.h
//
// so a score has ln m(d) added. z is learned, per head and layer, from 0 on; what
// training minimises has the mean z beside the loss, and a head keeps only the span that
// it needs. Queries and keys are turned as in rope. Shapes: score_term.h.
// Thread-compatible.

#include <torch/torch.h>

#include "model/nn/score_term.h"
#include "model/position_shape.h"

namespace strata {

class AdaptiveSpanImpl : public ScoreTermImpl {
 public:
  explicit AdaptiveSpanImpl(const LevelConfig& level);
  torch::Tensor Scores(const torch::Tensor& q, const torch::Tensor& k,
                       const torch::Tensor& distance) override;

  // z of each head: [H], in items, with gradient.
  torch::Tensor Spans();

 private:
  const SpanShape shape_;
  torch::Tensor span_;  // [H]; beyond [0, 1] only between a step and the next pass
};

// The mean z of all heads of all layers under `model` that have one, in items of their
// levels; undefined where none has.
torch::Tensor MeanSpan(const torch::nn::Module& model);

}  // namespace strata
