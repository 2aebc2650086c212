// P11: the nodes that an item sees cover its past, each leaf once; a binary
// counter with carries holds exactly those nodes.

#include "model/tree_nodes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace strata {
namespace {

constexpr int kCaps[] = {0, 1, 2, 3, 7};

TEST(VisibleTreeNodes, AreTheSetBits) {
  for (int64_t leaf = 0; leaf < 1000; ++leaf) {
    std::vector<TreeNode> bits;
    for (int l = 20; l >= 0; --l) {
      if ((leaf >> l) & 1) bits.push_back({l, (leaf >> l) - 1});
    }
    EXPECT_EQ(VisibleTreeNodes(leaf, 0), bits) << leaf;
  }
}

TEST(VisibleTreeNodes, CoverEveryEarlierLeafOnceInOrder) {
  for (const int cap : kCaps) {
    for (int64_t leaf = 0; leaf < 600; ++leaf) {
      int64_t covered = 0;
      for (const TreeNode& node : VisibleTreeNodes(leaf, cap)) {
        EXPECT_EQ(node.index << node.height, covered) << leaf << " " << cap;
        covered = (node.index + 1) << node.height;
        if (cap > 0) {
          EXPECT_LE(node.height, cap);
        }
      }
      EXPECT_EQ(covered, leaf) << cap;
    }
  }
}

TEST(VisibleTreeNodes, AreLogarithmicallyManyWithoutACap) {
  EXPECT_EQ(VisibleTreeNodes((int64_t{1} << 40) - 1, 0).size(), 40u);
  EXPECT_EQ(VisibleTreeNodes(int64_t{1} << 40, 0).size(), 1u);
  EXPECT_EQ(VisibleTreeNodes(1000, 3).size(), 125u);
}

TEST(BinaryCounter, HoldsWhatTheNextLeafSees) {
  for (const int cap : kCaps) {
    std::map<int64_t, TreeNode> slots;
    int64_t merges = 0;
    for (int64_t leaf = 0; leaf < 600; ++leaf) {
      const int heights = CompletedTreeHeights(leaf, cap);
      for (int h = 1; h < heights; ++h) {
        // The left sibling of the node below is in its place.
        const TreeNode left = {h - 1, (leaf >> (h - 1)) - 1};
        const auto at = slots.find(TreeSlot(left, cap));
        ASSERT_TRUE(at != slots.end() && at->second == left) << leaf;
        slots.erase(at);
        ++merges;
      }
      const TreeNode top = {heights - 1, leaf >> (heights - 1)};
      EXPECT_TRUE(slots.emplace(TreeSlot(top, cap), top).second)
          << "the place of " << leaf << " is taken";
      const auto seen = VisibleTreeNodes(leaf + 1, cap);
      EXPECT_EQ(slots.size(), seen.size());
      for (const TreeNode& node : seen) {
        const auto at = slots.find(TreeSlot(node, cap));
        ASSERT_TRUE(at != slots.end() && at->second == node) << leaf;
        EXPECT_LT(at->first, TreeSlots(leaf + 1, cap));
      }
    }
    EXPECT_LE(merges, 600) << "one merge a leaf on average";
  }
}

TEST(TreeSlots, GrowWithTheLogarithmOrWithTheRoots) {
  EXPECT_EQ(TreeSlots(0, 0), 0);
  EXPECT_EQ(TreeSlots(1, 0), 1);
  EXPECT_EQ(TreeSlots(4096, 0), 13);
  EXPECT_EQ(TreeSlots(4096, 4), 4 + 256);
  EXPECT_EQ(TreeSlots(3, 4), 2);
}

TEST(TreeHeightRows, DoNotDependOnTheLength) {
  EXPECT_EQ(TreeHeightRows(0), 16);
  EXPECT_EQ(TreeHeightRows(3), 4);
  EXPECT_EQ(TreeHeightRows(24), 16);
}

}  // namespace
}  // namespace strata
