#pragma once
// TreeSummary: the vectors of a tree's nodes. A node's m vectors are summary
// tokens: learned queries attend, with the layer's own matrices, to the keys and
// values of the leaf, or of the two children, and what they draw becomes a key
// and a value again. So a merge costs no matrix of its own.
//
//   a      = softmax(query k / sqrt(K)) v          leaf_query over a leaf's items,
//                                                  merge_query over 2 m vectors
//   (k, v) = W_kv norm(W_out a + height[h])        of the node, h its height
//   parent = (k, v) + the mean of its children's, vector by vector
//
// A leaf's keys are turned by their offsets (RoPE), the children's by their
// number in [0, 2 m); a node's own key is not turned: it lies at offset 0 of
// whatever leaf looks at it. Thread-compatible.

#include <torch/torch.h>

#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"
#include "model/nn/rope.h"
#include "model/tree_nodes.h"

namespace strata {

// Of items or of nodes: [N, vectors, H, K] each.
struct KeyValues {
  torch::Tensor k;
  torch::Tensor v;

  // Those that `index` names, in its order.
  KeyValues Pick(const torch::Tensor& index) const {
    return {k.index_select(0, index), v.index_select(0, index)};
  }
};

// The layer's matrices that nodes pass through.
struct NodeMatrices {
  torch::Tensor key_value;  // [2 D, D]
  torch::Tensor out;        // [D, D]
};

class TreeSummaryImpl : public torch::nn::Module {
 public:
  TreeSummaryImpl(int64_t dim, const TreeShape& tree);

  // Turned keys of complete leaves [N, leaf, H, K] -> nodes of height 0.
  KeyValues Leaves(const KeyValues& items, const NodeMatrices& matrices);
  // Both children of each node [N, 2 m, H, K] -> the nodes, of height `height`.
  KeyValues Merge(const KeyValues& children, int64_t height,
                  const RopeTables& rope, const NodeMatrices& matrices);

 private:
  KeyValues Node(const torch::Tensor& query, const KeyValues& from,
                 int64_t height, const NodeMatrices& matrices);

  int64_t dim_;
  torch::Tensor leaf_query_;   // [m, D]
  torch::Tensor merge_query_;  // [m, D]
  torch::Tensor height_;       // [rows, D]
  RmsNorm norm_;
};
TORCH_MODULE(TreeSummary);

}  // namespace strata
