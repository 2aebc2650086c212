#pragma once
// What the model's predictions cost: -ln p, in nats, by the ordinary head and by the
// n-gram heads, which predict the items after the one that a context stands for
// (Qi et al., "ProphetNet", arXiv 2001.04063; there with a stream of attention for
// each item ahead, here with a residual map of the same context).
//
//   head 0 (ordinary)   logits = W c[t]                         predicts x[t]
//   head k, k = 1..n    logits = W (c[t] + map_k(c[t]))         predicts x[t + k]
//   map_k(c) = down(gelu_tanh(up(norm(c))))                     D0 -> D0 -> D0
//
// c[t] has seen nothing from x[t] on, whatever k. A head learns the pairs whose item
// is learnt (`trained`) and lies in the document of the context: no head looks from
// one document into the next. Log-softmax in fp32 or wider. Thread-compatible;
// errors are exceptions, as of HierarchicalTransformer.

#include <torch/torch.h>

#include <vector>

#include "model/hierarchy/hierarchical_transformer.h"

namespace strata {

// Contexts that predict each of the items [B, n] of rows: [B, n, D0]. The last item
// is not fed. `activations` as of HierarchicalTransformer::Contexts.
torch::Tensor PredictingContexts(
    HierarchicalTransformer model, const torch::Tensor& items,
    const torch::Tensor& segments,
    std::vector<LevelActivations>* activations = nullptr);

// The pairs that head `head` learns, [B, n - head] of bool: t stands for x[t + head].
// `trained` [B, n] of bool or uint8; `segments` [B, n] or undefined.
torch::Tensor LearntPairs(const torch::Tensor& trained,
                          const torch::Tensor& segments, int head);

// Sum of -ln p over the pairs that `head` learns, a scalar with gradient.
// `contexts`: PredictingContexts of `items`.
torch::Tensor HeadLossSum(HierarchicalTransformer model,
                          const torch::Tensor& contexts,
                          const torch::Tensor& items,
                          const torch::Tensor& trained,
                          const torch::Tensor& segments, int head);

// -ln p of every pair of a head: [B, n - head], no gradient.
torch::Tensor HeadLosses(HierarchicalTransformer model,
                         const torch::Tensor& contexts,
                         const torch::Tensor& items, int head);

// Of the ordinary head: the sum over the items with trained != 0, and all of them.
// Item 0 is predicted from nothing.
torch::Tensor MaskedLossSum(HierarchicalTransformer model,
                            const torch::Tensor& items,
                            const torch::Tensor& trained,
                            const torch::Tensor& segments = {});
torch::Tensor ItemLosses(HierarchicalTransformer model,
                         const torch::Tensor& items,
                         const torch::Tensor& segments = {});

}  // namespace strata
