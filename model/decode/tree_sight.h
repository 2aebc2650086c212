#pragma once
// TreeSight: what a CPU sequence's cache holds for a tree: which of its slots the
// items of each leaf of a step see, and which new node takes a slot once a leaf is
// complete. Items lie in the slots [0, leaf), nodes behind them
// (model/state_layout.h). Plain values; thread-compatible.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/decode/kernels.h"
#include "model/decode/tree_growth.h"
#include "model/tree_nodes.h"

namespace strata {

// The first of the `summaries` slots of a node.
inline int64_t TreeNodeSlot(const TreeShape& tree, const TreeNode& node) {
  return tree.leaf + TreeSlot(node, tree.max_height) * tree.summaries;
}

class TreeSight {
 public:
  // The new items of one leaf.
  struct Leaf {
    int64_t begin = 0;  // items of the level's tree
    int64_t end = 0;
    int64_t first_range = 0;
    int64_t ranges = 0;
    int64_t kept = -1;       // new node, by its number in the growth
    int64_t kept_slot = 0;
  };

  void Plan(const TreeShape& tree, absl::Span<const TreeGrowth::Row> rows,
            const TreeGrowth& growth);

  absl::Span<const Leaf> Leaves(int64_t row) const {
    return absl::MakeConstSpan(leaves_).subspan(
        row_start_[row], row_start_[row + 1] - row_start_[row]);
  }
  // The slots of the nodes that a leaf's items see, ascending.
  absl::Span<const SlotRange> Nodes(const Leaf& leaf) const {
    return absl::MakeConstSpan(ranges_).subspan(leaf.first_range, leaf.ranges);
  }

 private:
  void AddRanges(const TreeShape& tree, int64_t leaf);

  std::vector<Leaf> leaves_;
  std::vector<int64_t> row_start_;
  std::vector<SlotRange> ranges_;
};

}  // namespace strata
