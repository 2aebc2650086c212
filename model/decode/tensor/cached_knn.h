#pragma once
// CachedKnn: how a decoder layer with a memory of neighbours (model/nn/knn_memory.h)
// attends in one ragged step. Keys lie in its ring as the layer made them; those of the
// window are turned as they are read, since those behind it are looked up as they are.
// Made once per step. Thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/decode/tensor/cached_row.h"
#include "model/model_config.h"
#include "model/nn/attention_layer.h"
#include "model/nn/turn_tables.h"

namespace strata {

class CachedKnn {
 public:
  // `rows`: of the ring. `turns`: of every position.
  CachedKnn(const LevelConfig& level, const std::vector<CachedRow>& rows,
            const TurnTables& turns);

  // qkv [N, 3 D] and the normed items [N, D] -> mixed values [N, D]. Reads the ring in
  // `pool` [rows, D], then writes the new keys and values there.
  torch::Tensor Attend(const torch::Tensor& qkv, const torch::Tensor& normed,
                       AttentionLayerImpl& layer, torch::Tensor* pool) const;

 private:
  // Rows with equal counts of new items.
  struct Group {
    int64_t batch = 0;  // sequences
    int64_t count = 0;  // new items of each
    int64_t past = 0;   // cached keys, padded
    torch::Tensor items;   // [batch * count] rows of the batch
    torch::Tensor gather;  // [batch * past] pool rows of keys
    torch::Tensor stride;  // [batch * past] from keys to values
    RopeTables turns;      // [batch, past + count, K / 2], of keys
    RopeTables q_turns;    // [batch, count, K / 2]
    torch::Tensor distance;  // [batch, count, past + count]
    torch::Tensor window;    // likewise, of bool: seen in the window
    torch::Tensor memory;    // looked among
    torch::Tensor reaches;   // [batch, count]: has a memory
  };
  Group MakeGroup(const LevelConfig& level, const std::vector<CachedRow>& rows,
                  const TurnTables& turns) const;
  // [batch, count, H, K] of the layer's q, k, v [N, H, K] and normed items.
  torch::Tensor AttendGroup(const Group& group, const std::vector<torch::Tensor>& qkv,
                            const torch::Tensor& normed, AttentionLayerImpl& layer,
                            const torch::Tensor& pool) const;

  const int64_t heads_;
  std::vector<Group> groups_;
  SlotWrites writes_;
};

}  // namespace strata
