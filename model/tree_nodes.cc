#include "model/tree_nodes.h"

#include <algorithm>

namespace strata {
namespace {

constexpr int kHeightRows = 16;

int BitWidth(int64_t x) {
  int bits = 0;
  for (; x > 0; x >>= 1) ++bits;
  return bits;
}

}  // namespace

std::vector<TreeNode> VisibleTreeNodes(int64_t leaf, int max_height) {
  std::vector<TreeNode> nodes;
  int heights = BitWidth(leaf);
  if (max_height > 0 && heights > max_height) {
    heights = max_height;
    for (int64_t i = 0; i < leaf >> max_height; ++i) {
      nodes.push_back({max_height, i});
    }
  }
  for (int height = heights - 1; height >= 0; --height) {
    if ((leaf >> height) & 1) nodes.push_back({height, (leaf >> height) - 1});
  }
  return nodes;
}

int CompletedTreeHeights(int64_t leaf, int max_height) {
  int heights = 1;
  for (; leaf & 1; leaf >>= 1) ++heights;
  return max_height > 0 ? std::min(heights, max_height + 1) : heights;
}

int64_t TreeSlot(const TreeNode& node, int max_height) {
  const bool root = max_height > 0 && node.height == max_height;
  return node.height + (root ? node.index : 0);
}

int64_t TreeSlots(int64_t leaves, int max_height) {
  const int heights = BitWidth(leaves);
  if (max_height == 0 || heights <= max_height) return heights;
  return max_height + (leaves >> max_height);
}

int TreeHeightRows(int max_height) {
  return max_height > 0 ? std::min(max_height + 1, kHeightRows) : kHeightRows;
}

int64_t TreeRopeRows(const TreeShape& tree) {
  return std::max(tree.leaf, 2 * tree.summaries);
}

}  // namespace strata
