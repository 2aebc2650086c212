#include "model/decode/tree_growth.h"

namespace strata {

void TreeGrowth::Plan(const TreeShape& tree, absl::Span<const Row> rows) {
  rows_ = static_cast<int64_t>(rows.size());
  made_.clear();
  start_.assign(1, 0);
  row_at_height_.clear();
  for (int h = 0; tree.max_height == 0 || h <= tree.max_height; ++h) {
    for (int64_t r = 0; r < rows_; ++r) {
      const int64_t begin = (rows[r].begin / tree.leaf) >> h;
      const int64_t end = ((rows[r].begin + rows[r].count) / tree.leaf) >> h;
      row_at_height_.push_back({begin, count()});
      for (int64_t i = begin; i < end; ++i) made_.push_back({r, {h, i}});
    }
    if (count() == start_.back()) return;
    start_.push_back(count());
  }
}

int64_t TreeGrowth::Find(int64_t row, const TreeNode& node) const {
  if (node.height >= heights()) return -1;
  const RowAtHeight& at = row_at_height_[node.height * rows_ + row];
  return node.index < at.index ? -1 : at.first + node.index - at.index;
}

}  // namespace strata
