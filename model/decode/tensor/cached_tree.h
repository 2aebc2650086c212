#pragma once
// CachedTree: how a stack of layers with the tree scope attends in one ragged
// step. A sequence's cache holds the items of its incomplete leaf and the nodes
// that the next item sees (model/tree_nodes.h). New items fill the leaf; a leaf
// that is complete becomes a node, which merges with its left sibling as long as
// there is one: a binary counter, one merge a leaf on average. A prompt brings
// many leaves at once; its merges run height by height for all rows together.
//
// Made once per stack and step; its layers share index tensors and masks. The
// items of one leaf attend together, those that come alone as one batch.
// Thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/decode/tensor/cached_attention.h"
#include "model/nn/attention_layer.h"
#include "model/nn/rope.h"
#include "model/nn/tree_summary.h"
#include "model/tree_nodes.h"

namespace strata {

class CachedTree {
 public:
  // `rope`: angles of at least TreeRopeRows positions. REQUIRES: rows in order of
  // `offset`, together covering the batch.
  CachedTree(const TreeShape& tree, int64_t heads,
             const std::vector<CachedRow>& rows, const RopeTables& rope);

  // qkv [N, 3 D] -> mixed values [N, D]. Reads the caches of layer `layer` in
  // `pool` [rows, D], then writes what the next step needs there.
  torch::Tensor Attend(const torch::Tensor& qkv, int layer,
                       AttentionLayerImpl& attention,
                       torch::Tensor* pool) const;

 private:
  friend class CachedTreePlanner;

  // Pool rows of layer 0's keys, and how far their values lie.
  struct PoolRows {
    torch::Tensor row;
    torch::Tensor stride;
  };
  // Leaves that attend together, each padded to the largest.
  struct Group {
    int64_t leaves = 0;
    int64_t queries = 0;
    int64_t nodes = 0;   // seen by each
    torch::Tensor query;  // [leaves * queries] rows of the batch
    torch::Tensor key;    // [leaves * keys] of read items, then new ones
    torch::Tensor node;   // [leaves * nodes] of read nodes, then new ones
    torch::Tensor mask;   // [leaves, 1, queries, nodes * m + keys] of bool
    torch::Tensor from;   // queries that are no padding
    torch::Tensor to;     // their rows of the batch
  };

  KeyValues Read(const PoolRows& rows, int layer,
                 const torch::Tensor& pool) const;
  // Those read, then the new ones of each height: [nodes, m, H, K].
  KeyValues Nodes(const KeyValues& items, int layer,
                  AttentionLayerImpl& attention,
                  const torch::Tensor& pool) const;
  torch::Tensor AttendGroup(const Group& group, const torch::Tensor& q,
                            const KeyValues& items,
                            const KeyValues& nodes) const;
  void Write(const KeyValues& items, const KeyValues& nodes, int layer,
             torch::Tensor* pool) const;

  TreeShape tree_;
  int64_t heads_ = 0;
  int64_t items_ = 0;          // N
  RopeTables rope_;            // [N, K / 2], by offset in the leaf
  RopeTables numbers_;         // of the vectors of two children
  PoolRows read_items_;
  PoolRows read_nodes_;        // m rows a node
  torch::Tensor leaf_items_;   // [new leaves * leaf] of items
  std::vector<torch::Tensor> children_;  // per height from 1: of nodes, pairs
  std::vector<Group> groups_;
  torch::Tensor kept_items_, kept_nodes_;  // of items; of nodes
  PoolRows write_items_, write_nodes_;
};

}  // namespace strata
