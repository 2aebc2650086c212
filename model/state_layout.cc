#include "model/state_layout.h"

#include <algorithm>

namespace strata {
namespace {

int64_t RoundUp(int64_t slots) {
  return (slots + kSlotMultiple - 1) / kSlotMultiple * kSlotMultiple;
}

}  // namespace

int64_t CacheSlots(Scope scope, int window, int block, int64_t max_items) {
  int64_t slots = 0;
  switch (scope) {
    case Scope::kFull:
      slots = max_items;
      break;
    case Scope::kWindow:
      slots = std::min<int64_t>(window, max_items);
      break;
    case Scope::kBlock:
      slots = std::min<int64_t>(block, max_items);
      break;
    case Scope::kBidirBlock:
    case Scope::kTree:  // TreeCacheSlots
      return 0;
  }
  return RoundUp(slots);
}

int64_t TreeCacheSlots(const TreeShape& tree, int64_t max_items) {
  const int64_t nodes = TreeSlots(max_items / tree.leaf, tree.max_height);
  return RoundUp(tree.leaf + nodes * tree.summaries);
}

StateLayout MakeStateLayout(const ModelConfig& config, int64_t capacity) {
  StateLayout layout;
  int64_t offset = 0;
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const int64_t dim = level.dim;
    LevelLayout out;
    out.enc_items = MaxItems(config, static_cast<int>(l), capacity);
    out.dec_items = out.enc_items + 1;
    if (level.enc_layers > 0) {
      out.enc_slots = CacheSlots(level.enc_scope, level.window, level.block,
                                 out.enc_items);
    }
    if (level.dec_layers > 0) {
      out.dec_slots = level.dec_scope == Scope::kTree
                          ? TreeCacheSlots(TreeOf(level), out.dec_items)
                          : CacheSlots(level.dec_scope, level.window,
                                       level.block, out.dec_items);
    }
    out.enc_offset = offset;
    out.dec_offset = out.enc_offset + level.enc_layers * 2 * out.enc_slots * dim;
    out.pool_offset = out.dec_offset + level.dec_layers * 2 * out.dec_slots * dim;
    out.context_offset = out.pool_offset + BufferedItems(level) * dim;
    out.router_offset = out.context_offset + BridgeRows(level) * dim;
    const int64_t end = out.router_offset + RouterItems(level) * dim;
    out.values = end - offset;
    offset = end;
    layout.levels.push_back(out);
  }
  layout.values = offset;
  return layout;
}

int64_t StateBytes(const ModelConfig& config, int64_t capacity,
                   int value_bytes) {
  return MakeStateLayout(config, capacity).values * value_bytes;
}

}  // namespace strata
