#pragma once
// CachedAttention: how one stack of layers attends in one ragged step. New items
// see the cached keys of their sequence that model/scope_rule.h shows, and one
// another. Made once per stack and step; its layers share index tensors, masks
// and angles.
//
// Rows that feed one item attend together, padded to the longest past among
// those of like length (within a factor of two); a row that feeds more, as a
// prompt does, attends on its own, but for a few items that begin a block.
// Thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/decode/tensor/cached_means.h"
#include "model/decode/tensor/cached_row.h"
#include "model/nn/score_term.h"
#include "model/nn/turn_tables.h"
#include "model/scope_rule.h"

namespace strata {

class CachedAttention {
 public:
  // `turns`: of every position. REQUIRES: a causal scope; rows in order of
  // `offset`, together covering the batch.
  CachedAttention(const ScopeSpec& spec, int64_t heads,
                  const std::vector<CachedRow>& rows, const TurnTables& turns);

  // One new item a row, which sees all of the cached keys that are named.
  struct SingleItems {
    torch::Tensor position;  // [N] of the items
    torch::Tensor gather;    // [N, past] pool rows of layer 0's keys
    torch::Tensor slots;     // [N, past] from keys to values, and so on
    torch::Tensor visible;   // [N, past] of bool: those that are there
    torch::Tensor key;       // [N, past] positions of these keys
    torch::Tensor write, write_slots;  // [N] where the item's own go
  };
  CachedAttention(int64_t heads, const SingleItems& items, const TurnTables& turns);

  // qkv [N, 3 D] -> mixed values [N, D]. Reads the caches of layer `layer` in
  // `pool` [rows, D], then writes the new keys and values there. `term`: of the
  // layer, or null.
  torch::Tensor Attend(const torch::Tensor& qkv, int layer, ScoreTermImpl* term,
                       torch::Tensor* pool) const;

 private:
  struct Group {
    int64_t batch = 0;  // sequences
    int64_t count = 0;  // new items of each
    int64_t past = 0;   // cached keys, padded
    bool all = false;   // the group is the batch
    torch::Tensor items;   // [batch * count] rows of the batch
    torch::Tensor gather;  // [batch * past] pool rows of layer 0's keys
    torch::Tensor stride;  // [batch * past] from keys to values, and so on
    torch::Tensor mask;    // [batch, 1, count, past + count] of bool
    torch::Tensor query;   // [batch, count] positions
    torch::Tensor key;     // [batch, 1, past + count] likewise; -1: none
    // Of a scope with means, where new ones are seen: then `mask` and `key` are of
    // them, too, behind the others. Those that stay in the caches, of [batch * most],
    // and their pool rows.
    std::shared_ptr<const CachedMeans> means;
    torch::Tensor mean_written, mean_write, mean_stride;
  };
  // Keys and values of [.., D] on their way into the pool.
  struct Kept {
    std::vector<torch::Tensor> rows, values;
  };
  Group MakeGroup(const ScopeSpec& spec, const std::vector<CachedRow>& rows,
                  const TurnTables& turns) const;
  void AddMeans(const ScopeSpec& spec, const std::vector<CachedRow>& rows,
                const TurnTables& turns, Group* group) const;
  void PlanMeanWrites(const ScopeSpec& spec, const std::vector<CachedRow>& rows,
                      Group* group) const;
  torch::Tensor AttendGroup(const Group& group, const torch::Tensor& q,
                            const torch::Tensor& k, const torch::Tensor& v,
                            int layer, ScoreTermImpl* term,
                            const torch::Tensor& pool, Kept* kept) const;

  int64_t heads_ = 0;
  int64_t items_ = 0;  // N
  std::vector<Group> groups_;
  TurnTables turns_;             // [N, K / 2]
  SlotWrites writes_;
};

}  // namespace strata
