#include "model/decode/tensor/cached_tree_planner.h"

#include <algorithm>

#include "model/nn/upload.h"

namespace strata {

CachedTreePlanner::CachedTreePlanner(const TreeShape& tree,
                                     const std::vector<CachedRow>& rows,
                                     const torch::Device& device)
    : tree_(tree), rows_(rows), device_(device) {
  std::vector<TreeGrowth::Row> growing;
  for (const CachedRow& row : rows_) growing.push_back({row.begin, row.count});
  growth_.Plan(tree_, growing);
  for (size_t r = 0; r < rows_.size(); ++r) Add(static_cast<int64_t>(r));
  AddChildren();
}

void CachedTreePlanner::Add(int64_t r) {
  const CachedRow& row = rows_[r];
  const int64_t end = row.begin + row.count;
  for (int64_t i = row.begin; i < end; ++i) offsets_.push_back(i % tree_.leaf);
  for (int64_t leaf = row.begin / tree_.leaf; leaf * tree_.leaf < end; ++leaf) {
    AddLeaf(r, leaf);
  }
  KeepState(r);
}

void CachedTreePlanner::AddChildren() {
  for (int64_t i = 0; i < growth_.count(); ++i) {
    const TreeGrowth::Made& made = growth_.Get(i);
    const int below = made.node.height - 1;
    if (below < 0) continue;
    children_.resize(made.node.height);
    children_[below].push_back(Node(made.row, {below, 2 * made.node.index}));
    children_[below].push_back(Node(made.row, {below, 2 * made.node.index + 1}));
  }
}

void CachedTreePlanner::AddLeaf(int64_t r, int64_t leaf) {
  const CachedRow& row = rows_[r];
  const int64_t begin = leaf * tree_.leaf;
  const int64_t end =
      std::min<int64_t>(begin + tree_.leaf, row.begin + row.count);
  Piece piece;
  for (int64_t i = begin; i < end; ++i) {
    piece.keys.push_back(Item(row, i));
    if (i < row.begin) continue;
    if (piece.queries.empty()) piece.first = i - begin;
    piece.queries.push_back(row.offset + i - row.begin);
  }
  for (const TreeNode& node : VisibleTreeNodes(leaf, tree_.max_height)) {
    piece.nodes.push_back(Node(r, node));
  }
  if (end == begin + tree_.leaf) {
    leaf_items_.insert(leaf_items_.end(), piece.keys.begin(), piece.keys.end());
  }
  pieces_.push_back(std::move(piece));
}

// What the next item sees and was not there before.
void CachedTreePlanner::KeepState(int64_t r) {
  const CachedRow& row = rows_[r];
  const int64_t end = row.begin + row.count;
  const int64_t leaf = end / tree_.leaf;
  for (int64_t i = std::max(row.begin, leaf * tree_.leaf); i < end; ++i) {
    kept_items_.push_back(-1 - (row.offset + i - row.begin));
    write_items_.row.push_back(row.cache + i % tree_.leaf);
    write_items_.stride.push_back(row.slots);
  }
  for (const TreeNode& node : VisibleTreeNodes(leaf, tree_.max_height)) {
    if (growth_.Find(r, node) < 0) continue;
    kept_nodes_.push_back(Node(r, node));
    for (int j = 0; j < tree_.summaries; ++j) {
      write_nodes_.row.push_back(row.cache + NodeSlot(node) + j);
      write_nodes_.stride.push_back(row.slots);
    }
  }
}

CachedTreePlanner::Ref CachedTreePlanner::Item(const CachedRow& row,
                                               int64_t position) {
  if (position >= row.begin) return -1 - (row.offset + position - row.begin);
  read_items_.row.push_back(row.cache + position % tree_.leaf);
  read_items_.stride.push_back(row.slots);
  return static_cast<Ref>(read_items_.row.size()) - 1;
}

CachedTreePlanner::Ref CachedTreePlanner::Node(int64_t r,
                                               const TreeNode& node) {
  const int64_t made = growth_.Find(r, node);
  if (made >= 0) return -1 - made;
  const CachedRow& row = rows_[r];
  for (int j = 0; j < tree_.summaries; ++j) {
    read_nodes_.row.push_back(row.cache + NodeSlot(node) + j);
    read_nodes_.stride.push_back(row.slots);
  }
  return static_cast<Ref>(read_nodes_.row.size()) / tree_.summaries - 1;
}

int64_t CachedTreePlanner::NodeSlot(const TreeNode& node) const {
  return tree_.leaf + TreeSlot(node, tree_.max_height) * tree_.summaries;
}

torch::Tensor CachedTreePlanner::Upload(
    const std::vector<int64_t>& values) const {
  return strata::Upload(values, device_);
}

torch::Tensor CachedTreePlanner::Resolve(const std::vector<Ref>& refs,
                                         int64_t front) const {
  std::vector<int64_t> index;
  for (const Ref ref : refs) index.push_back(ref >= 0 ? ref : front - 1 - ref);
  return Upload(index);
}

CachedTree::PoolRows CachedTreePlanner::Upload(const Rows& rows) const {
  return {Upload(rows.row), Upload(rows.stride)};
}

// The last key in the leaf that each of a group's queries sees, and the nodes
// that each of its leaves sees: [leaves, 1, queries, nodes * m + keys] of bool.
torch::Tensor CachedTreePlanner::Mask(const CachedTree::Group& group,
                                      int64_t keys,
                                      const std::vector<int64_t>& last,
                                      const std::vector<int64_t>& seen) const {
  const auto counts = torch::tensor(seen, torch::kLong).view({-1, 1, 1, 1});
  const auto node =
      torch::arange(group.nodes).repeat_interleave(tree_.summaries) < counts;
  const auto key = torch::arange(keys) <= torch::tensor(last, torch::kLong)
                                              .view({group.leaves, 1, -1, 1});
  return at::cat({node.expand({-1, 1, group.queries, -1}), key}, -1)
      .to(device_);
}

// Padding repeats what is there; the mask hides it.
CachedTree::Group CachedTreePlanner::MakeGroup(
    const std::vector<const Piece*>& pieces) const {
  CachedTree::Group group;
  int64_t keys = 0;
  for (const Piece* piece : pieces) {
    group.queries = std::max<int64_t>(group.queries, piece->queries.size());
    group.nodes = std::max<int64_t>(group.nodes, piece->nodes.size());
    keys = std::max<int64_t>(keys, piece->keys.size());
  }
  group.leaves = static_cast<int64_t>(pieces.size());
  std::vector<int64_t> query, from, to, last, seen;
  std::vector<Ref> key, node;
  for (const Piece* piece : pieces) {
    for (int64_t j = 0; j < group.queries; ++j) {
      const bool there = j < static_cast<int64_t>(piece->queries.size());
      if (there) {
        from.push_back(static_cast<int64_t>(query.size()));
        to.push_back(piece->queries[j]);
      }
      query.push_back(piece->queries[there ? j : 0]);
      last.push_back(piece->first + (there ? j : 0));
    }
    seen.push_back(static_cast<int64_t>(piece->nodes.size()));
    key.insert(key.end(), piece->keys.begin(), piece->keys.end());
    key.resize(seen.size() * keys, piece->keys[0]);
    node.insert(node.end(), piece->nodes.begin(), piece->nodes.end());
    node.resize(seen.size() * group.nodes, Ref{0});
  }
  group.query = Upload(query);
  group.from = Upload(from);
  group.to = Upload(to);
  group.key = Resolve(key, read_items_.row.size());
  group.node = Resolve(node, read_nodes_.row.size() / tree_.summaries);
  group.mask = Mask(group, keys, last, seen);
  return group;
}

void CachedTreePlanner::Fill(CachedTree* to) {
  const int64_t front_items = read_items_.row.size();
  const int64_t front_nodes = read_nodes_.row.size() / tree_.summaries;
  to->items_ = static_cast<int64_t>(offsets_.size());
  const auto offsets = Upload(offsets_);
  to->rope_ = {to->rope_.cos.index_select(0, offsets),
               to->rope_.sin.index_select(0, offsets)};
  to->read_items_ = Upload(read_items_);
  to->read_nodes_ = Upload(read_nodes_);
  to->leaf_items_ = Resolve(leaf_items_, front_items);
  for (const auto& pairs : children_) {
    to->children_.push_back(Resolve(pairs, front_nodes));
  }
  std::vector<const Piece*> single, several;
  for (const Piece& piece : pieces_) {
    (piece.queries.size() == 1 ? single : several).push_back(&piece);
  }
  if (!single.empty()) to->groups_.push_back(MakeGroup(single));
  if (!several.empty()) to->groups_.push_back(MakeGroup(several));
  to->kept_items_ = Resolve(kept_items_, front_items);
  to->kept_nodes_ = Resolve(kept_nodes_, front_nodes);
  to->write_items_ = Upload(write_items_);
  to->write_nodes_ = Upload(write_nodes_);
}

}  // namespace strata
