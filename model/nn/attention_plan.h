#pragma once
// AttentionPlan: how one stack of layers attends, made once per forward pass and
// shared by its layers. Queries are folded into chunks so that a window or a
// block never costs n^2: a chunk of `chunk` queries attends to itself and to
// the `look_back` items before it. What each query sees comes from
// model/scope_mask.h, joined with "same document" where rows hold several.
//
//   scope         chunk           look_back   mask
//   full          n               0           none (causal) | per document
//   window W      max(W, 16)      chunk       always (full when n <= W)
//   block b       b               0           none (causal)
//   bidir block   b               0           where n % b != 0
//
// A plain value; thread-compatible.

#include <torch/torch.h>

#include <cstdint>

#include "model/model_config.h"
#include "model/nn/turn_tables.h"

namespace strata {

struct ScopeSpec {
  Scope scope = Scope::kFull;
  int window = 0;
  int block = 0;
};

struct AttentionPlan {
  int64_t batch = 0;
  int64_t items = 0;      // n
  int64_t chunk = 0;
  int64_t look_back = 0;  // 0 or chunk
  bool causal = false;    // lower triangle of a chunk, without a mask
  // Added to the scores: 0 or -inf, [batch * chunks, 1, chunk, look_back +
  // chunk], or undefined.
  torch::Tensor mask;
  TurnTables turns;

  int64_t chunks() const { return (items + chunk - 1) / chunk; }
  int64_t keys() const { return look_back + chunk; }
};

// `segments`: [batch, n] document of each item, or undefined. `like` gives the
// type and the device of the mask. REQUIRES: n >= 1.
AttentionPlan MakeAttentionPlan(const ScopeSpec& spec, int64_t batch, int64_t n,
                                const torch::Tensor& segments,
                                const TurnTables& turns,
                                const torch::TensorOptions& like);

}  // namespace strata
