#pragma once
// PrefixItems: the items of a decoder where the level above speaks in items of their
// own before each block, and what is left of them (model/decoder_places.h has the
// formula). n + 1 contexts take P = DecoderPlaces(n + 1) places, of which the last
// block may be incomplete. Pure functions; differentiable.

#include <torch/torch.h>

#include "model/model_config.h"

namespace strata {

// u [B, n + 1, D], bridged [B, n / b + 1, m, D] -> [B, P, D].
torch::Tensor WithPrefixes(const LevelConfig& level, const torch::Tensor& u,
                           const torch::Tensor& bridged);

// Documents [B, n + 1] of contexts -> [B, P] of places. Undefined stays so.
torch::Tensor SegmentsOfPlaces(const LevelConfig& level,
                               const torch::Tensor& segments);

// x [B, P, D] -> [B, n + 1, D], without the prefixes.
torch::Tensor WithoutPrefixes(const LevelConfig& level, const torch::Tensor& x,
                              int64_t contexts);

}  // namespace strata
