#include "model/decode/tree_sight.h"

#include <algorithm>

namespace strata {

void TreeSight::Plan(const TreeShape& tree,
                     absl::Span<const TreeGrowth::Row> rows,
                     const TreeGrowth& growth) {
  leaves_.clear();
  ranges_.clear();
  row_start_.assign(1, 0);
  for (size_t r = 0; r < rows.size(); ++r) {
    const int64_t end = rows[r].begin + rows[r].count;
    for (int64_t number = rows[r].begin / tree.leaf; number * tree.leaf < end;
         ++number) {
      const int64_t leaf_end = (number + 1) * tree.leaf;
      Leaf leaf;
      leaf.begin = std::max(rows[r].begin, number * tree.leaf);
      leaf.end = std::min(end, leaf_end);
      leaf.first_range = static_cast<int64_t>(ranges_.size());
      AddRanges(tree, number);
      leaf.ranges = static_cast<int64_t>(ranges_.size()) - leaf.first_range;
      if (leaf.end == leaf_end) {
        // Of the nodes that a leaf completes the highest stands for the others.
        const int height = CompletedTreeHeights(number, tree.max_height) - 1;
        const TreeNode node = {height, number >> height};
        leaf.kept = growth.Find(static_cast<int64_t>(r), node);
        leaf.kept_slot = TreeNodeSlot(tree, node);
      }
      leaves_.push_back(leaf);
    }
    row_start_.push_back(static_cast<int64_t>(leaves_.size()));
  }
}

// Neighbouring slots become one range.
void TreeSight::AddRanges(const TreeShape& tree, int64_t leaf) {
  std::vector<int64_t> slots;
  for (const TreeNode& node : VisibleTreeNodes(leaf, tree.max_height)) {
    slots.push_back(TreeNodeSlot(tree, node));
  }
  std::sort(slots.begin(), slots.end());
  int64_t last = -1;
  for (const int64_t slot : slots) {
    if (slot == last) {
      ranges_.back().end = slot + tree.summaries;
    } else {
      ranges_.push_back({slot, slot + tree.summaries});
    }
    last = slot + tree.summaries;
  }
}

}  // namespace strata
