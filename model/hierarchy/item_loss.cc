#include "model/hierarchy/item_loss.h"

#include <algorithm>

namespace strata {
namespace {

// Rows of logits made at a time where no gradient is kept.
constexpr int64_t kHeadRows = 4096;

torch::Tensor RowLosses(const torch::Tensor& logits,
                        const torch::Tensor& targets, int64_t reduction) {
  const auto wide = logits.scalar_type() == torch::kDouble
                        ? logits
                        : logits.to(torch::kFloat);
  return at::cross_entropy_loss(wide, targets, {}, reduction);
}

// The first and the last n - head of the n columns: a pair's context and its item.
torch::Tensor Early(const torch::Tensor& x, int head) {
  return x.narrow(1, 0, std::max<int64_t>(0, x.size(1) - head));
}

torch::Tensor Late(const torch::Tensor& x, int head) {
  const int64_t begin = std::min<int64_t>(head, x.size(1));
  return x.narrow(1, begin, x.size(1) - begin);
}

}  // namespace

torch::Tensor PredictingContexts(HierarchicalTransformer model,
                                 const torch::Tensor& items,
                                 const torch::Tensor& segments,
                                 std::vector<LevelActivations>* activations) {
  return model->Contexts(items.slice(1, 0, -1), segments, activations);
}

torch::Tensor LearntPairs(const torch::Tensor& trained,
                          const torch::Tensor& segments, int head) {
  const auto learnt = Late(trained, head) != 0;
  if (head == 0 || !segments.defined()) return learnt;
  return learnt & (Early(segments, head) == Late(segments, head));
}

torch::Tensor HeadLossSum(HierarchicalTransformer model,
                          const torch::Tensor& contexts,
                          const torch::Tensor& items,
                          const torch::Tensor& trained,
                          const torch::Tensor& segments, int head) {
  const auto from = Early(contexts, head).flatten(0, 1);
  const auto learnt = LearntPairs(trained, segments, head).flatten();
  if (!from.is_cpu()) {
    // How many they are would have to be waited for.
    const auto losses = RowLosses(model->Head(from, head),
                                  Late(items, head).flatten(), at::Reduction::None);
    return losses.masked_fill(~learnt, 0).sum();
  }
  const auto rows = learnt.nonzero().squeeze(1);
  const auto targets = Late(items, head).flatten().index_select(0, rows);
  const bool all = rows.size(0) == from.size(0);
  const auto chosen = all ? from : from.index_select(0, rows);
  return RowLosses(model->Head(chosen, head), targets, at::Reduction::Sum);
}

torch::Tensor HeadLosses(HierarchicalTransformer model,
                         const torch::Tensor& contexts,
                         const torch::Tensor& items, int head) {
  torch::NoGradGuard no_grad;
  const auto from = Early(contexts, head).flatten(0, 1);
  const auto targets = Late(items, head).flatten();
  std::vector<torch::Tensor> losses = {from.new_empty({0})};
  for (int64_t row = 0; row < from.size(0); row += kHeadRows) {
    const auto logits =
        model->Head(from.slice(0, row, row + kHeadRows), head);
    losses.push_back(RowLosses(logits, targets.slice(0, row, row + kHeadRows),
                               at::Reduction::None));
  }
  return at::cat(losses).view(Late(items, head).sizes());
}

torch::Tensor MaskedLossSum(HierarchicalTransformer model,
                            const torch::Tensor& items,
                            const torch::Tensor& trained,
                            const torch::Tensor& segments) {
  return HeadLossSum(model, PredictingContexts(model, items, segments), items,
                     trained, segments, 0);
}

torch::Tensor ItemLosses(HierarchicalTransformer model,
                         const torch::Tensor& items,
                         const torch::Tensor& segments) {
  torch::NoGradGuard no_grad;
  return HeadLosses(model, PredictingContexts(model, items, segments), items, 0);
}

}  // namespace strata
