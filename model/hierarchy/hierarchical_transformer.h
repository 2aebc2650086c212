#pragma once
// HierarchicalTransformer: the differentiable definition of the model of
// model/README.md: embedding, the levels, the head. Parameter names are the
// tensor names of the published files.
//
//   HierarchicalTransformer model(config, ModelOptions{.seed = 7});
//   auto logits = model->forward(items);  // [B, T] -> [B, T + 1, V]
//
// logits[:, i] predicts item i from the items before i. Construction from equal
// config and seed gives equal weights; the global generator is not touched.
// Thread-compatible. Errors are exceptions: call through TorchGuard
// (model/nn/torch_guard.h) at module borders.

#include <torch/torch.h>

#include <vector>

#include "model/availability.h"
#include "model/hierarchy/level.h"
#include "model/hierarchy/segment_memory.h"
#include "model/model_config.h"
#include "model/nn/linear.h"

namespace strata {

struct ModelOptions {
  uint64_t seed = 1;
  ShadowFaults faults;  // planted faults for negative controls; tests only
};

class HierarchicalTransformerImpl : public torch::nn::Module {
 public:
  // REQUIRES: a config that ValidateModelConfig accepts (faults aside).
  explicit HierarchicalTransformerImpl(const ModelConfig& config,
                                       const ModelOptions& options = {});

  // items [B, T] of int64, T >= 0. `segments`: [B, T + 1] of int64, the document
  // that item i belongs to; documents start at multiples of S_top, and none
  // sees another. Undefined: one document a row.
  torch::Tensor forward(const torch::Tensor& items,
                        const torch::Tensor& segments = {});

  // The contexts before the head: [B, T + 1, D0]. `activations`: if not null,
  // gets one entry per level, the byte level first.
  torch::Tensor Contexts(const torch::Tensor& items,
                         const torch::Tensor& segments = {},
                         std::vector<LevelActivations>* activations = nullptr);
  // As Contexts, from embeddings [B, T, D0]; `items` then only says where units
  // end, where the bytes decide that.
  torch::Tensor ContextsOf(const torch::Tensor& embedded,
                           const torch::Tensor& items,
                           const torch::Tensor& segments = {},
                           std::vector<LevelActivations>* activations = nullptr);
  // Of a segment of texts, items [B, n], n a multiple of S_top: the contexts that
  // predict them, [B, n, D0]. `segments` [B, n]. `memory` holds what came before and
  // then what the next segment needs; `continues` [B] of bool says which rows go on.
  // REQUIRES: CarriesMemory(config).
  torch::Tensor SegmentContexts(const torch::Tensor& items,
                                const torch::Tensor& segments,
                                const torch::Tensor& continues, SegmentMemory* memory,
                                std::vector<LevelActivations>* activations = nullptr);
  torch::Tensor Embed(const torch::Tensor& items);
  // The logits of item t + head from context t: 0 is the ordinary head, 1 to
  // ngram_heads the others (model/hierarchy/item_loss.h). contexts [.., D0].
  torch::Tensor Head(const torch::Tensor& contexts, int head = 0);

  const ModelConfig& config() const { return config_; }
  LevelImpl& level(int l) const { return *levels_[l]; }
  // Where the weights are, and items must be.
  torch::Device device() const { return level(0).start().device(); }

 private:
  ModelConfig config_;
  Linear embedding_;  // used as a table: weight [V, D0]
  torch::nn::ModuleList level_;
  Linear head_;
  torch::nn::ModuleList ngram_;  // a FeedForward for each n-gram head
  std::vector<LevelImpl*> levels_;  // of level_
};
TORCH_MODULE(HierarchicalTransformer);

}  // namespace strata
