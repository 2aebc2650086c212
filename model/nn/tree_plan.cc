#include "model/nn/tree_plan.h"

#include <algorithm>
#include <limits>

namespace strata {
namespace {

// The indices of a plan, document by document.
class Planner {
 public:
  Planner(const TreeShape& tree, bool node_early)
      : tree_(tree), node_early_(node_early) {}

  // A document: items [begin, end) of all rows one after another.
  void Add(int64_t begin, int64_t end) {
    const int64_t complete = (end - begin) / tree_.leaf;
    const std::vector<int64_t> first = AddNodes(complete);
    for (int64_t leaf = 0; begin + leaf * tree_.leaf < end; ++leaf) {
      const int64_t from = begin + leaf * tree_.leaf;
      const int64_t row = static_cast<int64_t>(lengths_.size());
      lengths_.push_back(std::min<int64_t>(tree_.leaf, end - from));
      for (int64_t r = 0; r < tree_.leaf; ++r) {
        const bool there = r < lengths_.back();
        item_.push_back(there ? from + r : 0);
        if (there) place_.push_back(row * tree_.leaf + r);
      }
      if (leaf < complete) complete_.push_back(row);
      const bool early = node_early_ && leaf < complete;
      seen_.emplace_back();
      for (const TreeNode& node :
           VisibleTreeNodes(leaf + (early ? 1 : 0), tree_.max_height)) {
        seen_.back().push_back({node.height, first[node.height] + node.index});
      }
    }
  }

  void Fill(const torch::TensorOptions& like, TreePlan* plan) const {
    const auto upload = [&](const std::vector<int64_t>& values) {
      return torch::tensor(values, torch::kLong).to(like.device());
    };
    plan->leaves = static_cast<int64_t>(lengths_.size());
    for (const auto& nodes : seen_) {
      plan->seen = std::max<int64_t>(plan->seen, nodes.size());
    }
    plan->item = upload(item_);
    plan->place = upload(place_);
    plan->complete = upload(complete_);
    for (size_t h = 1; h < counts_.size(); ++h) {
      plan->children.push_back(upload(children_[h]));
    }
    plan->node = upload(NodeTable(plan->seen));
    plan->mask = Mask(plan->seen, like);
  }

 private:
  // Numbers the document's nodes; the first of each height.
  std::vector<int64_t> AddNodes(int64_t leaves) {
    std::vector<int64_t> first;
    for (int h = 0; leaves >> h > 0; ++h) {
      if (tree_.max_height > 0 && h > tree_.max_height) break;
      if (static_cast<int>(counts_.size()) <= h) {
        counts_.push_back(0);
        children_.emplace_back();
      }
      first.push_back(counts_[h]);
      counts_[h] += leaves >> h;
      for (int64_t c = 0; h > 0 && c < leaves >> h << 1; ++c) {
        children_[h].push_back(first[h - 1] + c);
      }
    }
    return first;
  }

  std::vector<int64_t> NodeTable(int64_t width) const {
    std::vector<int64_t> start = {0};
    for (const int64_t count : counts_) start.push_back(start.back() + count);
    std::vector<int64_t> table;
    for (const auto& nodes : seen_) {
      for (const TreeNode& node : nodes) {
        table.push_back(start[node.height] + node.index);
      }
      table.resize(table.size() + width - nodes.size(), 0);
    }
    return table;
  }

  // Places without an item see their own leaf, so that no row is empty.
  torch::Tensor Mask(int64_t width, const torch::TensorOptions& like) const {
    const int64_t leaves = static_cast<int64_t>(lengths_.size());
    std::vector<int64_t> counts;
    for (const auto& nodes : seen_) {
      counts.push_back(static_cast<int64_t>(nodes.size()));
    }
    const auto node = torch::arange(width).repeat_interleave(tree_.summaries) <
                      torch::tensor(counts, torch::kLong).view({-1, 1, 1, 1});
    const auto keys = torch::ones({tree_.leaf, tree_.leaf}, torch::kBool).tril();
    const auto visible =
        at::cat({node.expand({leaves, 1, tree_.leaf, width * tree_.summaries}),
                 keys.expand({leaves, 1, tree_.leaf, tree_.leaf})},
                -1);
    return torch::zeros(visible.sizes(), like)
        .masked_fill_(visible.logical_not().to(like.device()),
                      -std::numeric_limits<double>::infinity());
  }

  const TreeShape tree_;
  const bool node_early_;
  std::vector<int64_t> lengths_, item_, place_, complete_;
  std::vector<int64_t> counts_;                 // nodes of each height
  std::vector<std::vector<int64_t>> children_;  // of each height
  std::vector<std::vector<TreeNode>> seen_;     // index: among all of its height
};

}  // namespace

TreePlan MakeTreePlan(const TreeShape& tree, int64_t batch, int64_t n,
                      const torch::Tensor& segments, const RopeTables& rope,
                      const torch::TensorOptions& like, bool node_early) {
  torch::NoGradGuard no_grad;
  TreePlan plan;
  plan.tree = tree;
  plan.batch = batch;
  plan.items = n;
  plan.rope = rope;
  Planner planner(tree, node_early);
  const auto host =
      segments.defined() ? segments.to(torch::kCPU).contiguous() : segments;
  for (int64_t row = 0; row < batch; ++row) {
    const int64_t* document =
        host.defined() ? host.const_data_ptr<int64_t>() + row * n : nullptr;
    int64_t begin = 0;
    for (int64_t i = 1; i <= n; ++i) {
      const bool ends =
          i == n || (document != nullptr && document[i] != document[i - 1]);
      if (!ends) continue;
      planner.Add(row * n + begin, row * n + i);
      begin = i;
    }
  }
  planner.Fill(like, &plan);
  return plan;
}

}  // namespace strata
