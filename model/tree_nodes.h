#pragma once
// The binary tree over the items of a level whose decoder has the tree scope: the
// one definition that the differentiable model, the availability pass, the
// decoder and the state's layout are built from. Pure functions, thread-safe.
//
// Items lie in leaves of `leaf` items. A node (height, index) stands for the
// leaves [index << height, (index + 1) << height); it exists once they are
// complete. An item of leaf L sees the items of its own leaf up to itself, and
// the nodes of the Fenwick decomposition of [0, L): for every set bit l of L the
// node (l, (L >> l) - 1). Together they are the whole past, each leaf once.
//
// With a cap, no node is higher than `max_height`: all L >> max_height nodes of
// that height are seen, so the past stays whole and the state grows by one node
// every 2^max_height leaves. Without one (0), the state is O(log n).
// reference: the binary indexed tree of P. Fenwick (1994).

#include <cstdint>
#include <vector>

namespace strata {

struct TreeNode {
  int height = 0;
  int64_t index = 0;
  bool operator==(const TreeNode&) const = default;
};

struct TreeShape {
  int leaf = 0;       // items of a leaf
  int summaries = 0;  // m: vectors of a node
  int max_height = 0;  // 0: none
};

// What an item of leaf number `leaf` sees beside its own leaf, oldest first.
std::vector<TreeNode> VisibleTreeNodes(int64_t leaf, int max_height);

// Nodes that exist once leaf number `leaf` is complete and not before: heights
// 0 .. result - 1, each the parent of the one below and its left sibling.
int CompletedTreeHeights(int64_t leaf, int max_height);

// Where a decoder keeps a node until its parent takes its place, and how many
// places a sequence of `leaves` complete leaves needs.
int64_t TreeSlot(const TreeNode& node, int max_height);
int64_t TreeSlots(int64_t leaves, int max_height);

// Rows of the table of heights: higher nodes share the last one.
int TreeHeightRows(int max_height);

// Rows of angles that a tree needs: of a leaf's offsets, and of the vectors of two
// children.
int64_t TreeRopeRows(const TreeShape& tree);

}  // namespace strata
