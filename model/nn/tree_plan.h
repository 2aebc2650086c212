#pragma once
// TreePlan: how a stack of layers attends over a tree (model/tree_nodes.h), made
// once per forward pass and shared by its layers: which items lie in which leaf,
// which nodes are made of which, who sees which. All of it relative to the
// document of an item, so packed documents see what they see alone.
//
// A plain value; thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/nn/rope.h"
#include "model/tree_nodes.h"

namespace strata {

struct TreePlan {
  TreeShape tree;
  int64_t batch = 0;
  int64_t items = 0;   // n
  int64_t leaves = 0;  // N, of all documents of all rows
  int64_t seen = 0;    // S: most nodes that an item sees
  torch::Tensor item;      // [N * leaf] which of the batch * n items; 0: padding
  torch::Tensor place;     // [batch * n] where an item lies among those
  torch::Tensor complete;  // [N_0] leaves that become nodes
  // Of height h + 1: the two children in the nodes of height h, [2 * N_h+1].
  std::vector<torch::Tensor> children;
  torch::Tensor node;  // [N * S] in the nodes of all heights; 0: padding
  // Added to the scores: 0 or -inf, [N, 1, leaf, S * summaries + leaf].
  torch::Tensor mask;
  RopeTables rope;  // of a leaf's offsets, and of the children's vectors
};

// `segments`: [batch, n] document of each item, or undefined. `like` gives the
// type and the device. `node_early`: a planted fault (model/availability.h).
// REQUIRES: n >= 1; `rope` of TreeRopeRows rows.
TreePlan MakeTreePlan(const TreeShape& tree, int64_t batch, int64_t n,
                      const torch::Tensor& segments, const RopeTables& rope,
                      const torch::TensorOptions& like,
                      bool node_early = false);

}  // namespace strata
