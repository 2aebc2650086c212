#pragma once
// AttentionPlan: how one stack of layers attends, made once per forward pass and
// shared by its layers. Queries are folded into chunks so that a window or a
// block never costs n^2: a chunk of `chunk` queries attends to itself and to
// the `look_back` items before it, and to those that its scope keeps for ever. What
// each query sees comes from model/scope_rule.h, joined with "same document" where
// rows hold several.
//
//   scope         chunk           look_back   mask
//   full          n               0           none (causal) | per document
//   linear        n               0           none; model/nn/linear_attention.h
//   of buckets    n               0           none; model/nn/bucket_attention.h
//   window W      max(W, 16)      chunk       always (full when n <= W)
//   block b       b               0           none (causal)
//   bidir block   b               0           where n % b != 0
//   with phases d: as a window over every d-th item, d times
//   with kept items: as a window, and the kept ones of the row before the others
//
// A plain value; thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/nn/turn_tables.h"
#include "model/scope_rule.h"

namespace strata {

struct AttentionPlan {
  int64_t batch = 0;
  int64_t items = 0;      // n
  int64_t chunk = 0;
  int64_t look_back = 0;  // 0 or chunk
  int64_t phases = 1;     // items i of a chunk have one i % phases
  bool causal = false;    // lower triangle of a chunk, without a mask
  bool summed = false;    // keys are summed: their weights are no softmax
  bool bucketed = false;  // of a query's own bucket alone, in training
  torch::Tensor documents;  // [batch, n] of each item, where rows hold several; or not
  // Items of each row that stand before the keys of every chunk, [batch][kept];
  // 0: padding. `kept_index` is the same as a tensor of int64, [batch, kept]. Where
  // `pooled` is more than 1, each stands for the mean of so many, itself the last.
  int64_t kept = 0;
  int64_t pooled = 1;
  std::vector<int64_t> kept_items;
  torch::Tensor kept_index;
  // Added to the scores: 0 or -inf, [batch * chunks, 1, chunk, keys], or undefined.
  torch::Tensor mask;
  TurnTables turns;

  // Chunks of a row are ordered by phase, then by item.
  int64_t phase_items() const { return (items + phases - 1) / phases; }
  int64_t phase_chunks() const { return (phase_items() + chunk - 1) / chunk; }
  int64_t chunks() const { return phases * phase_chunks(); }
  int64_t near_keys() const { return look_back + chunk; }
  int64_t keys() const { return kept + near_keys(); }

  // Query r of chunk c of a row: `items` or more where it is padding.
  int64_t QueryItem(int64_t c, int64_t r) const {
    return Ranked(c, c % phase_chunks() * chunk + r);
  }
  // Key s of chunk c of a row of the batch; outside [0, items) where it is padding.
  int64_t KeyItem(int64_t row, int64_t c, int64_t s) const {
    if (s < kept) return kept_items[row * kept + s];
    return Ranked(c, c % phase_chunks() * chunk - look_back + s - kept);
  }

 private:
  int64_t Ranked(int64_t c, int64_t rank) const {
    return rank * phases + c / phase_chunks();
  }
};

// All of a row, or its keys up to the query's own where `causal`, but of the query's
// bucket alone, and of its document: `segments` [batch, n], or undefined.
AttentionPlan MakeBucketPlan(int64_t batch, int64_t n, const torch::Tensor& segments,
                             const TurnTables& turns, bool causal);

// `segments`: [batch, n] document of each item, or undefined. `like` gives the
// type and the device of the mask. `before`: [batch] of int64, items that each row's
// first document has before the row, with segments; or undefined: none.
// REQUIRES: n >= 1.
AttentionPlan MakeAttentionPlan(const ScopeSpec& spec, int64_t batch, int64_t n,
                                const torch::Tensor& segments,
                                const TurnTables& turns,
                                const torch::TensorOptions& like,
                                const torch::Tensor& before = {});

}  // namespace strata
