#include "model/state_layout.h"

#include "model/decoder_places.h"
#include "model/knn_rule.h"
#include "model/stream_levels.h"

namespace strata {

int64_t CacheSlots(const ScopeSpec& spec, int64_t max_items) {
  const auto slots = RuleOf(spec.scope).slots;
  return slots == nullptr ? 0 : WholeSlots(slots(spec, max_items));
}

int64_t TreeCacheSlots(const TreeShape& tree, int64_t max_items) {
  const int64_t nodes = TreeSlots(max_items / tree.leaf, tree.max_height);
  return WholeSlots(tree.leaf + nodes * tree.summaries);
}

int64_t EncoderSlots(const LevelConfig& level, int64_t items) {
  return CacheSlots(SpecOf(level, level.enc_scope), items);
}

int64_t DecoderSlots(const LevelConfig& level, int64_t places) {
  return level.dec_scope == Scope::kTree
             ? TreeCacheSlots(TreeOf(level), places)
             : CacheSlots(DecoderSpec(level), places);
}

int64_t SumRows(const LevelConfig& level, Scope scope) {
  return RuleOf(scope).summed ? level.dim / level.heads + 1 : 0;
}

int64_t LayerRows(const LevelConfig& level, Scope scope, int64_t slots) {
  const int64_t sums = SumRows(level, scope);
  return sums > 0 ? sums : 2 * slots;
}

namespace {

// Adds a level, or a stream as one (model/stream_levels.h). `entered`: vectors of what
// entered the base of streams last, which lie where a level below the top has its pool's
// buffer; `said`: those that the layers of a stream made last, where it has contexts.
void AddLevel(const LevelConfig& level, int64_t items, int64_t entered, int64_t said,
              StateLayout* layout) {
  const int64_t dim = level.dim;
  LevelLayout out;
  out.enc_items = items;
  out.dec_items = DecoderPlaces(level, items + 1);
  if (level.enc_layers > 0) out.enc_slots = EncoderSlots(level, out.enc_items);
  if (level.dec_layers > 0) out.dec_slots = DecoderSlots(level, out.dec_items);
  out.enc_offset = layout->values;
  const int64_t encoder =
      EncoderRuns(level) * LayerRows(level, level.enc_scope, out.enc_slots) * dim;
  // Behind the others' caches, those of a layer with a memory of neighbours.
  const int64_t decoder =
      (ScopedRuns(level) * LayerRows(level, level.dec_scope, out.dec_slots) +
       2 * KnnSlots(level, out.dec_items)) *
      dim;
  out.dec_offset = out.enc_offset + encoder;
  out.pool_offset = out.dec_offset + decoder;
  out.cached_before = layout->cached;
  out.enc_cached = SumRows(level, level.enc_scope) > 0 ? 0 : encoder;
  out.dec_cached = SumRows(level, level.dec_scope) > 0 ? 0 : decoder;
  out.context_offset = out.pool_offset + (BufferedItems(level) + entered) * dim;
  out.router_offset = out.context_offset + (ContextRows(level) + said) * dim;
  out.bridge_offset = out.router_offset + RouterItems(level) * dim;
  const int64_t end = out.bridge_offset + 2 * BridgeSlots(level) * dim;
  out.values = end - layout->values;
  layout->cached += out.enc_cached + out.dec_cached;
  layout->values = end;
  layout->levels.push_back(out);
}

}  // namespace

StateLayout MakeStateLayout(const ModelConfig& config, int64_t capacity) {
  StateLayout layout;
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    AddLevel(level, MaxItems(config, static_cast<int>(l), capacity), StreamTail(level),
             0, &layout);
  }
  const LevelConfig& base = config.levels[0];
  for (const StreamConfig& stream : base.streams) {
    AddLevel(StreamLevel(base, stream), StreamItems(stream, capacity + 1) - 1, 0,
             base.dec_layers, &layout);
  }
  return layout;
}

int64_t StateBytes(const ModelConfig& config, int64_t capacity,
                   int value_bytes) {
  return StateBytes(config, capacity, ValueBytes{value_bytes, value_bytes});
}

int64_t StateBytes(const ModelConfig& config, int64_t capacity,
                   const ValueBytes& bytes) {
  const StateLayout layout = MakeStateLayout(config, capacity);
  return bytes.Of(layout.values, layout.cached);
}

}  // namespace strata
