#include "model/hierarchy/hierarchical_transformer.h"

#include "model/hierarchy/init.h"
#include "model/nn/feed_forward.h"
#include "model/nn/residual.h"

namespace strata {

HierarchicalTransformerImpl::HierarchicalTransformerImpl(
    const ModelConfig& config, const ModelOptions& options)
    : config_(config),
      embedding_(register_module("embedding",
                                 Linear(config.levels[0].dim, config.vocab))),
      level_(register_module("level", torch::nn::ModuleList())),
      head_(register_module("head",
                            Linear(config.levels[0].dim, config.vocab))),
      ngram_(register_module("ngram", torch::nn::ModuleList())) {
  for (int l = 0; l < static_cast<int>(config.levels.size()); ++l) {
    Level level(config, l, options.faults);
    levels_.push_back(level.get());
    level_->push_back(level);
  }
  // The last parameters: those before them are drawn as in a model without heads.
  for (int k = 0; k < config.ngram_heads; ++k) {
    ngram_->push_back(FeedForward(config.levels[0].dim, config.levels[0].dim));
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

torch::Tensor HierarchicalTransformerImpl::Head(const torch::Tensor& contexts,
                                                int head) {
  if (head == 0) return head_->forward(contexts);
  auto& map = ngram_->at<FeedForwardImpl>(head - 1);
  return head_->forward(contexts + map.forward(contexts));
}

torch::Tensor HierarchicalTransformerImpl::Contexts(
    const torch::Tensor& items, const torch::Tensor& segments,
    std::vector<LevelActivations>* activations) {
  return ContextsOf(Embed(items), items, segments, activations);
}

torch::Tensor HierarchicalTransformerImpl::SegmentContexts(
    const torch::Tensor& items, const torch::Tensor& segments,
    const torch::Tensor& continues, SegmentMemory* memory,
    std::vector<LevelActivations>* activations) {
  absl::Span<LevelActivations> kept;
  if (activations != nullptr) {
    activations->assign(levels_.size(), {});
    kept = absl::MakeSpan(*activations);
  }
  memory->Begin(continues);
  auto contexts = levels_[0]->forward(
      Dropped(Embed(items), is_training() ? config_.dropout : 0.0), segments, nullptr,
      LevelSpan(levels_).subspan(1), kept, memory->levels());
  memory->End(segments);
  return contexts;
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
  const bool ragged = config_.levels[0].block_rule == BlockRule::kSpacelike;
  if (ragged) units = CutUnits(config_.levels[0], items, segments);
  return levels_[0]->forward(Dropped(embedded, rate), segments,
                             ragged ? &units : nullptr,
                             LevelSpan(levels_).subspan(1), kept);
}

}  // namespace strata
