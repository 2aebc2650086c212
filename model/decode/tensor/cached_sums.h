#pragma once
// CachedSums: how one stack of layers whose scope keeps sums (model/nn/
// linear_attention.h) attends in one ragged step: the sums of each sequence are taken
// from the pool of states, its new items added and read, and put back. Rows that feed
// as many items attend together. Made once per stack and step. Thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/decode/tensor/cached_attention.h"
#include "model/model_config.h"
#include "model/nn/turn_tables.h"

namespace strata {

class CachedSums {
 public:
  // `turns`: of every position. REQUIRES: rows in order of `offset`, together covering
  // the batch. The `cache` of a row holds [layers][K + 1] rows; its `slots` say nothing.
  CachedSums(const LevelConfig& level, const std::vector<CachedRow>& rows,
             const TurnTables& turns);

  // qkv [N, 3 D] -> mixed values [N, D], with the sums of `layer` in `pool` [rows, D].
  torch::Tensor Attend(const torch::Tensor& qkv, int layer, torch::Tensor* pool) const;

 private:
  struct Group {
    int64_t batch = 0;    // sequences
    int64_t count = 0;    // new items of each
    torch::Tensor items;  // [batch * count] rows of the batch
    torch::Tensor sums;   // [batch * (K + 1)] pool rows of layer 0
    torch::Tensor fresh;  // [batch, 1, 1, 1] of bool: nothing was added yet
  };
  Group MakeGroup(const std::vector<CachedRow>& rows, const torch::Device& device) const;
  torch::Tensor AttendGroup(const Group& group, const torch::Tensor& q,
                            const torch::Tensor& k, const torch::Tensor& v, int layer,
                            torch::Tensor* pool) const;

  int64_t heads_;
  int64_t width_;  // K
  std::vector<Group> groups_;
  TurnTables turns_;  // [N, K / 2]
};

}  // namespace strata
