#include "model/decode/tensor/cached_tree.h"

#include "model/decode/tensor/cached_tree_planner.h"

namespace strata {
namespace {

KeyValues Join(const KeyValues& a, const KeyValues& b, int64_t dim) {
  return {at::cat({a.k, b.k}, dim), at::cat({a.v, b.v}, dim)};
}

KeyValues View(const KeyValues& x, at::IntArrayRef sizes) {
  return {x.k.reshape(sizes), x.v.reshape(sizes)};
}

}  // namespace

CachedTree::CachedTree(const TreeShape& tree, int64_t heads,
                       const std::vector<CachedRow>& rows,
                       const RopeTables& rope)
    : tree_(tree), heads_(heads), rope_(rope) {
  const int64_t both = 2 * tree.summaries;
  numbers_ = {rope.cos.narrow(0, 0, both), rope.sin.narrow(0, 0, both)};
  CachedTreePlanner(tree, rows, rope.cos.device()).Fill(this);
}

KeyValues CachedTree::Read(const PoolRows& rows, int layer,
                           const torch::Tensor& pool) const {
  const auto from = rows.row + 2 * layer * rows.stride;
  return {pool.index_select(0, from), pool.index_select(0, from + rows.stride)};
}

KeyValues CachedTree::Nodes(const KeyValues& items, int layer,
                            AttentionLayerImpl& attention,
                            const torch::Tensor& pool) const {
  const int64_t width = items.k.size(-1);
  const NodeMatrices matrices = attention.node_matrices();
  KeyValues all = View(Read(read_nodes_, layer, pool),
                       {-1, tree_.summaries, heads_, width});
  if (leaf_items_.size(0) == 0) return all;
  const KeyValues leaves =
      View(items.Pick(leaf_items_), {-1, tree_.leaf, heads_, width});
  all = Join(all, attention.tree().Leaves(leaves, matrices), 0);
  for (size_t h = 0; h < children_.size(); ++h) {
    const KeyValues pairs = View(all.Pick(children_[h]),
                                 {-1, 2 * tree_.summaries, heads_, width});
    all = Join(all,
               attention.tree().Merge(pairs, static_cast<int64_t>(h) + 1,
                                      numbers_, matrices),
               0);
  }
  return all;
}

torch::Tensor CachedTree::AttendGroup(const Group& group,
                                      const torch::Tensor& q,
                                      const KeyValues& items,
                                      const KeyValues& nodes) const {
  const int64_t width = q.size(-1);
  KeyValues keys =
      View(items.Pick(group.key),
           {group.leaves, -1, heads_, width});
  if (group.nodes > 0) {
    keys = Join(View(nodes.Pick(group.node),
                     {group.leaves, -1, heads_, width}),
                keys, 1);
  }
  const auto queries = q.index_select(0, group.query)
                           .view({group.leaves, group.queries, heads_, width});
  return at::scaled_dot_product_attention(queries.transpose(1, 2),
                                          keys.k.transpose(1, 2),
                                          keys.v.transpose(1, 2), group.mask)
      .transpose(1, 2)
      .reshape({group.leaves * group.queries, heads_ * width})
      .index_select(0, group.from);
}

void CachedTree::Write(const KeyValues& items, const KeyValues& nodes,
                       int layer, torch::Tensor* pool) const {
  const auto write = [&](const PoolRows& rows, const KeyValues& kept) {
    if (rows.row.size(0) == 0) return;
    const KeyValues flat = View(kept, {rows.row.size(0), pool->size(1)});
    const auto to = rows.row + 2 * layer * rows.stride;
    pool->index_copy_(0, at::cat({to, to + rows.stride}),
                      at::cat({flat.k, flat.v}));
  };
  write(write_items_, items.Pick(kept_items_));
  write(write_nodes_, nodes.Pick(kept_nodes_));
}

torch::Tensor CachedTree::Attend(const torch::Tensor& qkv, int layer,
                                 AttentionLayerImpl& attention,
                                 torch::Tensor* pool) const {
  const int64_t dim = qkv.size(1) / 3;
  const auto parts = qkv.view({items_, 3, heads_, dim / heads_}).unbind(1);
  const auto q = ApplyRope(parts[0], rope_);
  const KeyValues read = View(Read(read_items_, layer, *pool),
                              {-1, heads_, dim / heads_});
  const KeyValues items =
      Join(read, {ApplyRope(parts[1], rope_), parts[2]}, 0);
  const KeyValues nodes = Nodes(items, layer, attention, *pool);
  auto mixed = at::empty({items_, dim}, qkv.options());
  for (const Group& group : groups_) {
    mixed.index_copy_(0, group.to, AttendGroup(group, q, items, nodes));
  }
  Write(items, nodes, layer, pool);
  return mixed;
}

}  // namespace strata
