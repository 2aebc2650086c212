// LevelStep: the tree scope (model/README.md, "Tree"). In each layer the new nodes
// of all rows are made first, a height at a time, from the keys and values that
// the layer has just computed; then each row's items attend in order, and each
// leaf that they complete leaves its highest node in the cache.

#include <algorithm>

#include "model/decode/level_step.h"

namespace strata {
namespace {

// Values of a vector that are worked on at a time.
constexpr int64_t kBlock = 64;

}  // namespace

template <typename T>
void LevelStep<T>::PlanTree(int l) {
  const TreeShape tree = TreeOf(level_config(l));
  LevelScratch<T>& s = scratch_[l];
  s.tree_rows.clear();
  // The decoder has one item more than was fed: position 0, decoded at load.
  for (const LevelRow<CpuSequence<T>>& row : s.rows) {
    s.tree_rows.push_back({row.begin + 1, row.count});
  }
  s.growth.Plan(tree, s.tree_rows);
  s.sight.Plan(tree, s.tree_rows, s.growth);
}

template <typename T>
bool LevelStep<T>::ReserveTree(int l) {
  const LevelConfig& level = level_config(l);
  const TreeShape tree = TreeOf(level);
  const int64_t width = level.dim / level.heads;
  LevelScratch<T>& s = scratch_[l];
  const int64_t vectors = s.growth.count() * tree.summaries;
  if (!s.node_x.Reserve(vectors * PaddedWidth(level.dim)) ||
      !s.node_y.Reserve(vectors * PaddedWidth(level.dim)) ||
      !s.node_qkv.Reserve(vectors * PaddedWidth(3 * level.dim)) ||
      !s.number_rope.Reserve(2 * tree.summaries * width)) {
    return false;
  }
  for (int64_t j = 0; j < 2 * tree.summaries; ++j) {
    model_->rope(l).Fill(j, s.number_rope.data() + j * width);
  }
  return true;
}

// node = W_qkv norm(W_out drawn + height), and for a merge the children's mean.
template <typename T>
void LevelStep<T>::MakeNodes(int l, int layer) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const LayerWeights<T>& w = DecoderLayer(l, layer);
  const int64_t width = PaddedWidth(level.dim);
  const int64_t rows_of_heights = TreeHeightRows(level.tree_height);
  for (int h = 0; h < s.growth.heights(); ++h) {
    const int64_t first = s.growth.First(h);
    const int64_t nodes = s.growth.First(h + 1) - first;
    const int64_t m = nodes * level.summaries;
    T* x = s.node_x.data() + first * level.summaries * width;
    T* y = s.node_y.data() + first * level.summaries * width;
    pool_->ParallelFor(nodes * level.heads, [&](int thread, int64_t task) {
      DrawNode(l, layer, first + task / level.heads,
               static_cast<int>(task % level.heads), ThreadScratch(thread));
    });
    MatMul(x, width, m, w.attn_out, y, width, Epilogue::kStore);
    const T* height = w.tree_height.data() +
                      std::min<int64_t>(h, rows_of_heights - 1) * level.dim;
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t d = 0; d < level.dim; ++d) y[r * width + d] += height[d];
    }
    Norm(l, y, m, w.tree_norm, x);
    MatMul(x, width, m, w.qkv, NodeKey(l, first, 0) - level.dim,
           PaddedWidth(3 * level.dim), Epilogue::kStore);
    for (int64_t i = first; i < first + nodes; ++i) {
      if (h > 0) AddMeanOfChildren(l, layer, i);
      RoundNode(l, i);
    }
  }
}

// Vector j of a new node: its keys of all heads; its values lie `dim` further.
template <typename T>
T* LevelStep<T>::NodeKey(int l, int64_t made, int64_t j) {
  const LevelConfig& level = level_config(l);
  return scratch_[l].node_qkv.data() +
         (made * level.summaries + j) * PaddedWidth(3 * level.dim) + level.dim;
}

template <typename T>
typename LevelStep<T>::HeadVector LevelStep<T>::NodeVector(
    int l, int layer, int64_t row, const TreeNode& node, int64_t j, int head) {
  const LevelConfig& level = level_config(l);
  const int64_t width = level.dim / level.heads;
  const int64_t made = scratch_[l].growth.Find(row, node);
  if (made >= 0) {
    const T* key = NodeKey(l, made, j) + head * width;
    return {key, 1, key + level.dim, CacheType::kFull};
  }
  const CacheView cache = scratch_[l].rows[row].sequence->HeadCache(
      l, Stack::kDecoder, layer, head);
  return CachedVector(cache, TreeNodeSlot(TreeOf(level), node) + j);
}

// The learned queries of a head attend to what a node is made of.
template <typename T>
void LevelStep<T>::DrawNode(int l, int layer, int64_t made, int head,
                            T* scores) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const LayerWeights<T>& w = DecoderLayer(l, layer);
  const int64_t width = level.dim / level.heads;
  const TreeGrowth::Made& node = s.growth.Get(made);
  const bool leaf = node.node.height == 0;
  const CacheView cache = UnitCache(l, model_->cache_type(l), scores);
  if (leaf) {
    CopyLeaf(l, layer, node, head, cache);
  } else {
    CopyChildren(l, layer, node, head, cache);
  }
  AttendArgs<T> args = CacheArgs(l, cache, scores);
  args.first = {0, leaf ? level.leaf : 2 * level.summaries};
  const std::vector<T>& query = leaf ? w.leaf_query : w.merge_query;
  for (int64_t j = 0; j < level.summaries; ++j) {
    args.q = query.data() + j * level.dim + head * width;
    args.out = s.node_x.data() +
               (made * level.summaries + j) * PaddedWidth(level.dim) +
               head * width;
    model_->kernels().attend(args);
  }
}

// Items that an earlier step fed lie turned in the cache.
template <typename T>
void LevelStep<T>::CopyLeaf(int l, int layer, const TreeGrowth::Made& node,
                            int head, const CacheView& to) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = level.dim / level.heads;
  const LevelRow<CpuSequence<T>>& row = s.rows[node.row];
  const CacheView cache =
      row.sequence->HeadCache(l, Stack::kDecoder, layer, head);
  for (int64_t r = 0; r < level.leaf; ++r) {
    const int64_t j =
        node.node.index * level.leaf + r - s.tree_rows[node.row].begin;
    if (j >= 0) {
      PutVector(l, ItemVector(l, row.offset + j, head),
                s.rope.data() + (row.offset + j) * width, to, r);
    } else {
      CopyVector(l, CachedVector(cache, r), to, r);
    }
  }
}

template <typename T>
void LevelStep<T>::CopyChildren(int l, int layer, const TreeGrowth::Made& node,
                                int head, const CacheView& to) {
  const LevelConfig& level = level_config(l);
  const int64_t width = level.dim / level.heads;
  for (int64_t j = 0; j < 2 * level.summaries; ++j) {
    const TreeNode child = {node.node.height - 1,
                            2 * node.node.index + j / level.summaries};
    PutVector(l, NodeVector(l, layer, node.row, child, j % level.summaries, head),
              scratch_[l].number_rope.data() + j * width, to, j);
  }
}

template <typename T>
void LevelStep<T>::AddMeanOfChildren(int l, int layer, int64_t made) {
  const LevelConfig& level = level_config(l);
  const int64_t width = level.dim / level.heads;
  const TreeGrowth::Made& node = scratch_[l].growth.Get(made);
  const TreeNode left = {node.node.height - 1, 2 * node.node.index};
  const TreeNode right = {left.height, left.index + 1};
  for (int64_t j = 0; j < level.summaries; ++j) {
    for (int head = 0; head < level.heads; ++head) {
      const HeadVector a = NodeVector(l, layer, node.row, left, j, head);
      const HeadVector b = NodeVector(l, layer, node.row, right, j, head);
      T* key = NodeKey(l, made, j) + head * width;
      T* value = key + level.dim;
      for (int64_t d = 0; d < width; d += kBlock) {
        const int64_t count = std::min(kBlock, width - d);
        T of_a[kBlock], of_b[kBlock];
        TakeKey(a, d, count, of_a);
        TakeKey(b, d, count, of_b);
        for (int64_t i = 0; i < count; ++i) key[d + i] += (of_a[i] + of_b[i]) / 2;
        TakeValue(a, d, count, of_a);
        TakeValue(b, d, count, of_b);
        for (int64_t i = 0; i < count; ++i) value[d + i] += (of_a[i] + of_b[i]) / 2;
      }
    }
  }
}

// To what a cache would give back: no later node or query may tell in which step this
// one was made.
template <typename T>
void LevelStep<T>::RoundNode(int l, int64_t made) {
  const CacheType type = model_->cache_type(l);
  if (type == CacheType::kFull) return;
  const LevelConfig& level = level_config(l);
  uint16_t rounded[kBlock];
  for (int64_t j = 0; j < level.summaries; ++j) {
    T* both = NodeKey(l, made, j);  // the value lies behind the key
    for (int64_t d = 0; d < 2 * level.dim; d += kBlock) {
      const int64_t count = std::min(kBlock, 2 * level.dim - d);
      model_->kernels().put(both + d, count, type, rounded, 1);
      model_->kernels().take(rounded, 1, type, count, both + d);
    }
  }
}

template <typename T>
void LevelStep<T>::AttendTreeHead(int l, int layer, int64_t row_index, int head,
                                  int64_t first_query, T* scores) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = level.dim / level.heads;
  const LevelRow<CpuSequence<T>>& row = s.rows[row_index];
  const int64_t begin = s.tree_rows[row_index].begin;
  const CacheView cache =
      row.sequence->HeadCache(l, Stack::kDecoder, layer, head);
  AttendArgs<T> args = CacheArgs(l, cache, scores);
  for (const TreeSight::Leaf& leaf : s.sight.Leaves(row_index)) {
    const absl::Span<const SlotRange> nodes = s.sight.Nodes(leaf);
    args.further = nodes.data();
    args.further_count = static_cast<int64_t>(nodes.size());
    for (int64_t i = leaf.begin; i < leaf.end; ++i) {
      const int64_t j = row.offset + i - begin;
      const int64_t slot = i % level.leaf;
      RotateInto(l, j, head, cache, slot);
      if (i - begin < first_query || !s.depth.Has(j)) continue;
      args.first = {0, slot + 1};
      SetQuery(l, j, head, &args);
      model_->kernels().attend(args);
    }
    for (int64_t j = 0; leaf.kept >= 0 && j < level.summaries; ++j) {
      const T* key = NodeKey(l, leaf.kept, j) + head * width;
      CopyVector(l, {key, 1, key + level.dim, CacheType::kFull}, cache,
                 leaf.kept_slot + j);
    }
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
