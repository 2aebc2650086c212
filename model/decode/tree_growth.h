#pragma once
// TreeGrowth: the nodes that one ragged step adds to the trees of its rows
// (model/tree_nodes.h), numbered so that those of one height stand together: an
// executor makes a height in one batch, from the heights below it. Plain values,
// planned once per level and step; thread-compatible.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/tree_nodes.h"

namespace strata {

class TreeGrowth {
 public:
  struct Row {
    int64_t begin = 0;  // items that the tree holds before the step
    int64_t count = 0;  // that the step adds
  };
  struct Made {
    int64_t row = 0;
    TreeNode node;
  };

  void Plan(const TreeShape& tree, absl::Span<const Row> rows);

  int64_t count() const { return static_cast<int64_t>(made_.size()); }
  int heights() const { return static_cast<int>(start_.size()) - 1; }
  const Made& Get(int64_t number) const { return made_[number]; }
  // The first new node of a height, among all; height heights(): their count.
  int64_t First(int height) const { return start_[height]; }
  // Which of the new nodes `node` of row `row` is; -1: older than the step.
  int64_t Find(int64_t row, const TreeNode& node) const;

 private:
  struct RowAtHeight {
    int64_t index = 0;  // of the row's first new node of this height
    int64_t first = 0;  // its number
  };

  int64_t rows_ = 0;
  std::vector<Made> made_;
  std::vector<int64_t> start_ = {0};
  std::vector<RowAtHeight> row_at_height_;  // [heights][rows]
};

}  // namespace strata
