#pragma once
// The differentiable model of a preset, with weights large enough that a decoder's
// error shows.

#include <torch/torch.h>

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/model_config.h"

namespace strata {

// Logits scaled to a range of about 6, which the tolerances refer to.
inline HierarchicalTransformer MakeModel(const ModelConfig& config,
                                         torch::ScalarType type) {
  torch::NoGradGuard no_grad;
  HierarchicalTransformer model(config, ModelOptions{.seed = 11});
  for (auto& item : model->named_parameters()) {
    if (item.value().dim() > 1) item.value().mul_(2);
  }
  model->to(type);
  model->eval();
  const auto probe = model->forward(torch::arange(40).unsqueeze(0));
  const double scale = probe.abs().max().item<double>();
  for (auto& item : model->named_parameters()) {
    if (item.key() == "head.weight") item.value().mul_(6 / scale);
  }
  return model;
}

}  // namespace strata
