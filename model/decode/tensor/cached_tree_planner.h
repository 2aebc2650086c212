#pragma once
// CachedTreePlanner: the indices of a CachedTree, computed on the host: what each
// row of a step reads, builds, sees and writes. Used once, by CachedTree.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/decode/tensor/cached_tree.h"
#include "model/decode/tree_growth.h"

namespace strata {

class CachedTreePlanner {
 public:
  CachedTreePlanner(const TreeShape& tree, const std::vector<CachedRow>& rows,
                    const torch::Device& device);
  void Fill(CachedTree* to);

 private:
  // An entry of a list whose front is read from the pool and whose rest is new:
  // >= 0 counts from the front, < 0 is -1 - its place in the rest.
  using Ref = int64_t;
  struct Rows {
    std::vector<int64_t> row, stride;
  };
  struct Piece {  // the new items of one leaf
    std::vector<int64_t> queries;
    int64_t first = 0;  // offset of the first query in the leaf
    std::vector<Ref> keys, nodes;
  };

  void Add(int64_t r);
  void AddLeaf(int64_t r, int64_t leaf);
  void AddChildren();
  void KeepState(int64_t r);
  Ref Item(const CachedRow& row, int64_t position);
  Ref Node(int64_t r, const TreeNode& node);
  int64_t NodeSlot(const TreeNode& node) const;

  CachedTree::Group MakeGroup(const std::vector<const Piece*>& pieces) const;
  torch::Tensor Mask(const CachedTree::Group& group, int64_t keys,
                     const std::vector<int64_t>& last,
                     const std::vector<int64_t>& seen) const;
  torch::Tensor Upload(const std::vector<int64_t>& values) const;
  torch::Tensor Resolve(const std::vector<Ref>& refs, int64_t front) const;
  CachedTree::PoolRows Upload(const Rows& rows) const;

  const TreeShape tree_;
  const std::vector<CachedRow>& rows_;
  const torch::Device device_;
  TreeGrowth growth_;
  std::vector<int64_t> offsets_;  // of every new item in its leaf
  Rows read_items_, read_nodes_, write_items_, write_nodes_;
  std::vector<Ref> leaf_items_, kept_items_, kept_nodes_;
  std::vector<std::vector<Ref>> children_;  // of height h + 1
  std::vector<Piece> pieces_;
};

}  // namespace strata
