#include "model/hierarchy/hierarchical_transformer.h"

#include <algorithm>

#include "model/hierarchy/init.h"
#include "model/nn/residual.h"

namespace strata {
namespace {

// Rows of logits made at a time where no gradient is kept.
constexpr int64_t kHeadRows = 4096;

// Contexts that predict each of the n items of a row: the last is not fed.
torch::Tensor PredictingContexts(HierarchicalTransformer& model,
                                 const torch::Tensor& items,
                                 const torch::Tensor& segments) {
  return model->Contexts(items.slice(1, 0, -1), segments);
}

torch::Tensor RowLosses(const torch::Tensor& logits,
                        const torch::Tensor& targets, int64_t reduction) {
  const auto wide = logits.scalar_type() == torch::kDouble
                        ? logits
                        : logits.to(torch::kFloat);
  return at::cross_entropy_loss(wide, targets, {}, reduction);
}

}  // namespace

HierarchicalTransformerImpl::HierarchicalTransformerImpl(
    const ModelConfig& config, const ModelOptions& options)
    : config_(config),
      embedding_(register_module("embedding",
                                 Linear(config.levels[0].dim, config.vocab))),
      level_(register_module("level", torch::nn::ModuleList())),
      head_(register_module("head",
                            Linear(config.levels[0].dim, config.vocab))) {
  for (int l = 0; l < static_cast<int>(config.levels.size()); ++l) {
    Level level(config, l, options.faults);
    levels_.push_back(level.get());
    level_->push_back(level);
  }
  InitWeights(config_, options.seed, this);
}

torch::Tensor HierarchicalTransformerImpl::forward(
    const torch::Tensor& items, const torch::Tensor& segments) {
  return Head(Contexts(items, segments));
}

torch::Tensor HierarchicalTransformerImpl::Embed(const torch::Tensor& items) {
  return at::embedding(embedding_->weight, items);
}

torch::Tensor HierarchicalTransformerImpl::Head(const torch::Tensor& contexts) {
  return head_->forward(contexts);
}

torch::Tensor HierarchicalTransformerImpl::Contexts(
    const torch::Tensor& items, const torch::Tensor& segments,
    std::vector<LevelActivations>* activations) {
  return ContextsOf(Embed(items), items, segments, activations);
}

torch::Tensor HierarchicalTransformerImpl::ContextsOf(
    const torch::Tensor& embedded, const torch::Tensor& items,
    const torch::Tensor& segments,
    std::vector<LevelActivations>* activations) {
  const double rate = is_training() ? config_.dropout : 0.0;
  absl::Span<LevelActivations> kept;
  if (activations != nullptr) {
    activations->assign(levels_.size(), {});
    kept = absl::MakeSpan(*activations);
  }
  RaggedUnits units;
  const bool ragged = config_.levels[0].block_rule != BlockRule::kFixed;
  if (ragged) units = CutUnits(config_.levels[0], items, segments);
  return levels_[0]->forward(Dropped(embedded, rate), segments,
                             ragged ? &units : nullptr,
                             LevelSpan(levels_).subspan(1), kept);
}

torch::Tensor MaskedLossSum(HierarchicalTransformer model,
                            const torch::Tensor& items,
                            const torch::Tensor& trained,
                            const torch::Tensor& segments) {
  const auto contexts =
      PredictingContexts(model, items, segments).flatten(0, 1);
  const auto rows = trained.flatten().nonzero().squeeze(1);
  const auto targets = items.flatten().index_select(0, rows);
  const bool all = rows.size(0) == contexts.size(0);
  const auto chosen = all ? contexts : contexts.index_select(0, rows);
  return RowLosses(model->Head(chosen), targets, at::Reduction::Sum);
}

torch::Tensor ItemLosses(HierarchicalTransformer model,
                         const torch::Tensor& items,
                         const torch::Tensor& segments) {
  torch::NoGradGuard no_grad;
  const auto contexts =
      PredictingContexts(model, items, segments).flatten(0, 1);
  const auto targets = items.flatten();
  std::vector<torch::Tensor> losses;
  for (int64_t row = 0; row < contexts.size(0); row += kHeadRows) {
    const auto logits = model->Head(contexts.slice(0, row, row + kHeadRows));
    losses.push_back(RowLosses(logits, targets.slice(0, row, row + kHeadRows),
                               at::Reduction::None));
  }
  return at::cat(losses).view(items.sizes());
}

}  // namespace strata
