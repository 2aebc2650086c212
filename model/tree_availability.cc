#include "model/tree_availability.h"

#include <algorithm>
#include <utility>

namespace strata {
namespace {

// nodes[height][index], built as a decoder does: leaf by leaf, with carries.
std::vector<ItemSets> BuildNodes(const ItemSets& sets, const TreeShape& tree) {
  std::vector<ItemSets> nodes;
  const int64_t leaves = static_cast<int64_t>(sets.size()) / tree.leaf;
  for (int64_t leaf = 0; leaf < leaves; ++leaf) {
    const int heights = CompletedTreeHeights(leaf, tree.max_height);
    if (static_cast<int>(nodes.size()) < heights) nodes.resize(heights);
    ByteSet node(sets[0].size(), 0);
    for (int r = 0; r < tree.leaf; ++r) Join(sets[leaf * tree.leaf + r], &node);
    nodes[0].push_back(node);
    for (int height = 1; height < heights; ++height) {
      const ItemSets& children = nodes[height - 1];
      Join(children[children.size() - 2], &node);
      nodes[height].push_back(node);
    }
  }
  return nodes;
}

}  // namespace

ItemSets TreeUnions(const ItemSets& sets, const TreeShape& tree, bool node_early) {
  const std::vector<ItemSets> nodes = BuildNodes(sets, tree);
  const int64_t n = static_cast<int64_t>(sets.size());
  ItemSets out;
  ByteSet prefix;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t leaf = i / tree.leaf;
    if (i % tree.leaf == 0) {
      prefix.assign(sets[0].size(), 0);
      const bool early = node_early && (leaf + 1) * tree.leaf <= n;
      for (const TreeNode& node :
           VisibleTreeNodes(leaf + (early ? 1 : 0), tree.max_height)) {
        Join(nodes[node.height][node.index], &prefix);
      }
    }
    Join(sets[i], &prefix);
    out.push_back(prefix);
  }
  return out;
}

}  // namespace strata
