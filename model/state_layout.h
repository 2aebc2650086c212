#pragma once
// Where every value of a sequence's decoding state lies: the one definition
// behind StateBytes (what admission control reserves) and the executors (what
// they allocate). One flat array of `values` numbers per sequence; offsets
// below count values from its start. Pure functions, thread-safe.
//
//   per level   encoder caches  [EncoderRuns][K, V][enc_slots][dim]; of the linear
//                               scope [EncoderRuns][SumRows][dim]: S by feature, then z
//               decoder caches  [ScopedRuns], likewise; behind them [K, V][KnnSlots][dim]
//                               of a layer that looks behind its window (model/knn_rule.h)
//               pool buffer     [block][dim]   items of the incomplete unit;
//                               none where units are ragged
//               context         [ContextRows][dim]  bridge(o): one row per offset,
//                               or one for all; none of a prefix
//               router          [RouterItems][dim]  query of the last item, where a
//                               router ends the units
//               bridge cache    [K, V][BridgeSlots][dim]  of the newest contexts,
//                               where the bridge attends to them
// The last four exist below the top only. Streams beside the decoder of bytes
// (model/stream_levels.h) follow the levels, each laid out as one: its context is what each
// of its layers made last, and the pool buffer of their base the [StreamTail][dim] vectors
// that entered it last. The scope's rule says in which slot an
// item lives; in the tree scope item i has slot i % leaf, and nodes lie behind the
// leaf (TreeCacheSlots).

#include <cstdint>
#include <vector>

#include "model/model_config.h"

namespace strata {

// Slots of one layer's cache for a level that sees at most `max_items` items:
// what the scope can still look at, rounded up to kSlotMultiple
// (model/scope_rule.h). 0 where nothing is cached by item.
int64_t CacheSlots(const ScopeSpec& spec, int64_t max_items);

// The same for a decoder with the tree scope: one leaf, then the nodes that may
// exist at one time, `summaries` slots each (model/tree_nodes.h).
int64_t TreeCacheSlots(const TreeShape& tree, int64_t max_items);

// Of a layer of the level's encoder, and of its decoder, whose places they are.
int64_t EncoderSlots(const LevelConfig& level, int64_t items);
int64_t DecoderSlots(const LevelConfig& level, int64_t places);

// Vectors of one layer's sums where a scope keeps those (model/nn/linear_attention.h),
// else 0.
int64_t SumRows(const LevelConfig& level, Scope scope);
// Of one layer's cache in all: those, or keys and values.
int64_t LayerRows(const LevelConfig& level, Scope scope, int64_t slots);

struct LevelLayout {
  int64_t enc_items = 0;  // most items the encoder sees: capacity / S_l
  int64_t dec_items = 0;  // places that u[0..n] take: model/decoder_places.h
  int64_t enc_slots = 0;
  int64_t dec_slots = 0;
  int64_t enc_offset = 0;
  int64_t dec_offset = 0;
  int64_t pool_offset = 0;
  int64_t context_offset = 0;
  int64_t router_offset = 0;
  int64_t bridge_offset = 0;
  int64_t values = 0;  // of this level, all parts
  // Keys and values: of the encoder's caches, of the decoder's (none of one that keeps
  // sums), and of all earlier levels.
  int64_t enc_cached = 0;
  int64_t dec_cached = 0;
  int64_t cached_before = 0;
};

struct StateLayout {
  std::vector<LevelLayout> levels;
  int64_t values = 0;
  int64_t cached = 0;  // of them: keys and values of all caches
};

// Where keys and values are kept in a type of their own.
struct ValueBytes {
  int cached = 4;
  int other = 4;  // sums, pool buffers, contexts, routers, bridges

  int64_t Of(int64_t values, int64_t cached_values) const {
    return cached_values * cached + (values - cached_values) * other;
  }
};

// REQUIRES: a valid config, capacity >= 1.
StateLayout MakeStateLayout(const ModelConfig& config, int64_t capacity);

int64_t StateBytes(const ModelConfig& config, int64_t capacity,
                   const ValueBytes& bytes);

}  // namespace strata
