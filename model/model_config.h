#pragma once
// ModelConfig: the whole definition of a model's architecture, stored as
// `config.json` beside its weights. One recursive level applied to itself:
//
//   Level(items z[0..n-1]) -> contexts c[0..n]     c[i] depends on z[0..i-1]
//     h = encoder(z)                               encoder scope; h = z if none
//     o = LevelAbove(pool(h, block))               complete blocks only
//     u[0] = start          + bridge(o[0], 0)
//     u[i] = skip[i-1]      + bridge(o[i / block], i % block)
//     c = norm(decoder(u))                         decoder scope
//   skip = h where the encoder is causal, z itself where it is bidirectional.
//   A bridge `prefix` speaks in items of the decoder's own: model/decoder_places.h.
//
// levels[0] is the byte level; the last level is the top and has no block. c[i] of
// the byte level predicts item i and, through n-gram heads, the items after it.
// A plain struct: copyable, thread-compatible. Parse/Validate return
// INVALID_ARGUMENT naming the field (`levels[0].window: ...`).

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/position_scheme.h"
#include "model/scope_rule.h"
#include "model/tree_nodes.h"

namespace strata {

// How the items of a complete block become one item of the level above.
// model/nn/pooling_layer.h has the formulas.
enum class PoolKind {
  kAttention,  // a learned query attends to them
  kMean,
  kLast,
  kConcat,  // one after another; a linear map of all of them
};

// How a context of the level above enters the items of the block that it
// predicts.
enum class BridgeKind {
  kLinear,  // a matrix of its own for each offset in the block
  kRepeat,  // one matrix: every offset gets the same
  kPrefix,  // `prefix` vectors before the block: model/decoder_places.h
  kAttention,  // as kLinear, and items attend to the last `bridge_window` contexts:
               // model/nn/bridge_attention.h
};

// What ends a unit of the level above: model/unit_rule.h.
enum class BlockRule {
  kFixed,      // every `block` items
  kSpacelike,  // where words end; byte level only
  kRouter,     // where the model has learned to; byte level only
};

// How what a sublayer makes of x enters x: model/nn/gru_gate.h.
enum class GateKind {
  kResidual,  // it is added
  kGru,       // gates of a recurrent unit choose, by channel
  kReversible,  // two streams take turns: model/nn/reversible_stack.h
};

// Which keys training attends to, of those that a full scope shows. Decoding, and all
// that measures a model, attends to all of them.
enum class TrainedAttention {
  kExact,
  kLsh,      // of the same bucket of a random rotation: model/nn/lsh_attention.h
  kRouting,  // of the same learned cluster: model/nn/routing_attention.h
};

// What opens the gate of a nearest-neighbour memory: model/nn/knn_memory.h.
enum class KnnGate {
  kHead,     // one learned number a head
  kContext,  // the item at hand, head by head
};

// One of the slower streams beside a decoder: model/nn/multirate_stack.h.
struct StreamConfig {
  int rate = 0;    // items of the level that one of its items sees when it is made
  int stride = 0;  // one of its items begins every so many; divides `rate`
  int dim = 0;
  int heads = 0;
  int window = 0;  // of its own items; 0: all

  bool operator==(const StreamConfig& other) const;
};

// What of a text's earlier segments its later ones see in training, and what a
// sequence keeps of its past: model/segment_rule.h.
enum class MemoryKind {
  kNone,     // segments know nothing of one another
  kSegment,  // what the windows show: Transformer-XL
  kCompressive,  // and means of what has left them: model/scope_compressive.cc
};

// As config.json spells them.
const char* ScopeName(Scope scope);
const char* MemoryName(MemoryKind kind);
const char* PoolName(PoolKind kind);

struct LevelConfig {
  int dim = 0;         // D, a multiple of 2 * heads
  int heads = 0;       // H
  int ff_mult = 4;     // hidden width of the feed-forward = ff_mult * dim
  int enc_layers = 0;
  Scope enc_scope = Scope::kWindow;
  int dec_layers = 0;
  Scope dec_scope = Scope::kFull;
  int window = 0;      // items; for the scopes of this level that have one
  int block = 0;       // items a unit of the level above covers, at most; 0 at the
                       // top
  // The rest may be left out in JSON.
  // How often a stack runs its layers, one after another, all times with the same
  // weights (model/hierarchy/layer_stack.h).
  int repeats = 1;
  // Above 0 items halt, each after as many repeats as it needs
  // (model/nn/halting_unit.h), and training pays so much for a repeat.
  double ponder = 0;
  // Of the byte level: after so many layers of its decoder, and each after it, an item may
  // leave (model/nn/exit_heads.h); 0: none may.
  int exits = 0;
  double exit_tolerance = 0.01;  // nats an item that leaving may cost
  GateKind gate = GateKind::kResidual;
  TrainedAttention trained_attention = TrainedAttention::kExact;
  int buckets = 0;      // or clusters, of an attention that is not exact; else 0
  int hash_rounds = 0;  // rotations, where it is by hashes; else 0
  // Layer of the decoder, from 1, that also attends to the nearest keys behind its
  // window; 0: none.
  int knn_layer = 0;
  int knn_items = 0;       // keys behind the window that it looks among
  int knn_neighbours = 0;  // of which it attends to so many
  KnnGate knn_gate = KnnGate::kHead;
  std::vector<StreamConfig> streams;  // slower ones beside the decoder
  MemoryKind memory = MemoryKind::kNone;  // of all levels or of none
  // Of a memory that is compressive; else 0.
  int memory_rate = 0;   // items of a mean
  int memory_items = 0;  // means that are seen
  // Below the top only:
  BlockRule block_rule = BlockRule::kFixed;
  int block_min = 0;   // items it covers at least, where the rule is not fixed
  int block_mean = 0;  // items that training makes a router aim at; else 0
  // Of a spacelike rule in a model with a tokeniser: how many pieces are of each
  // class (kPieceClasses of them, model/unit_rule.h); their items follow one
  // another in this order. Else empty.
  std::vector<int64_t> piece_classes;
  PoolKind pool = PoolKind::kAttention;
  BridgeKind bridge = BridgeKind::kLinear;
  int prefix = 0;      // m, vectors of a bridge that is `prefix`; else 0
  int bridge_window = 0;  // contexts that a bridge `attention` sees; else 0
  // How items tell where they lie; never null. Trees: only rope.
  const PositionScheme* position = &kRopePosition;
  int position_span = 0;  // items; 0 where the scheme has none
  // Of the dilated, the strided and the global_local scope; 0 where there is none.
  int dilation = 0;      // from one key to the next
  int stride = 0;        // every so many items one is seen for ever
  int global_items = 0;  // of a document, seen by all later ones
  // Of the tree scope; 0 where there is none.
  int leaf = 0;         // items of a leaf
  int summaries = 0;    // vectors of a node
  int tree_height = 0;  // highest node; 0 = no limit. Beyond it every node of
                        // that height is seen, so the state grows again
};

// Layers as a stack runs them. Run i has the weights of layer i % layers, and keys
// and values of its own.
inline int EncoderRuns(const LevelConfig& level) {
  return level.repeats * level.enc_layers;
}
inline int DecoderRuns(const LevelConfig& level) {
  return level.repeats * level.dec_layers;
}
// Vectors that a stack of so many layers adds, one at the entrance of each repeat.
inline int64_t RepeatRows(const LevelConfig& level, int layers) {
  return level.repeats > 1 && layers > 0 ? level.repeats : 0;
}
// Numbers of the halting unit of a stack of so many layers: a row and a bias.
inline int64_t HaltingParameters(const LevelConfig& level, int layers) {
  return level.ponder > 0 && layers > 0 ? int64_t{level.dim} + 1 : 0;
}
// Layers of the decoder after which an item may leave.
inline int64_t ExitRows(const LevelConfig& level) {
  return level.exits > 0 ? level.dec_layers - level.exits : 0;
}
// Width of what a level's pool gives to its output matrix.
inline int64_t PoolWidth(const LevelConfig& level) {
  return (level.pool == PoolKind::kConcat ? int64_t{level.block} : 1) *
         level.dim;
}
// Items of an incomplete unit that a sequence keeps for the pool.
inline int64_t BufferedItems(const LevelConfig& level) {
  return level.block_rule == BlockRule::kFixed ? level.block : 0;
}
// Items of a unit that the pool reads.
inline int64_t PoolItems(const LevelConfig& level) {
  return level.block_rule == BlockRule::kFixed ? level.block : 1;
}
// Vectors that a sequence keeps for the router: the last item's query.
inline int64_t RouterItems(const LevelConfig& level) {
  return level.block_rule == BlockRule::kRouter ? 1 : 0;
}
// Vectors that a level's bridge makes for a block: one for each offset, or one for
// all, or the prefix; where it attends, a key and a value behind those of the offsets.
inline int64_t BridgeRows(const LevelConfig& level) {
  switch (level.bridge) {
    case BridgeKind::kLinear: return level.block;
    case BridgeKind::kRepeat: return 1;
    case BridgeKind::kPrefix: return level.prefix;
    case BridgeKind::kAttention: return int64_t{level.block} + 2;
  }
  return 0;
}
// Of these, what a sequence keeps for the items of the block that are to come.
inline int64_t ContextRows(const LevelConfig& level) {
  switch (level.bridge) {
    case BridgeKind::kPrefix: return 0;
    // A router mixes keys and values with those before; the rest is in BridgeSlots.
    case BridgeKind::kAttention:
      return level.block + (level.block_rule == BlockRule::kRouter ? 2 : 0);
    default: return BridgeRows(level);
  }
}
// Slots of the keys, and of the values, of the contexts that a bridge attends to: a
// ring, whatever the capacity.
inline int64_t BridgeSlots(const LevelConfig& level) {
  return level.bridge == BridgeKind::kAttention ? WholeSlots(level.bridge_window) : 0;
}
// Which contexts the items of a block see, by the contexts' own numbers.
inline ScopeSpec BridgeSpec(const LevelConfig& level) {
  return {Scope::kWindow, level.bridge_window};
}

inline constexpr int kMaxNgramHeads = 7;

struct ModelConfig {
  std::string architecture;     // preset family: "block", "hourglass", …
  std::vector<LevelConfig> levels;
  int vocab = 260;              // [260, 32768]; more than 260 with a tokeniser alone
  double dropout = 0.1;         // training only
  double rope_theta = 10000.0;  // of every scheme that has angles
  int64_t max_context = 65536;  // items a sequence may hold, specials included
  // Bytes of the past that every prediction must be able to see (as far as
  // they exist); -1 = everything. The availability pass proves it.
  int64_t reach = -1;
  // May be left out in JSON. Head k of them, k = 1, 2, .., predicts item i + k
  // from c[i] of the byte level (model/hierarchy/item_loss.h): they help training;
  // generation does not look at them.
  int ngram_heads = 0;

  bool operator==(const ModelConfig& other) const;
};

// Strict JSON: unknown keys, missing keys, wrong types are errors.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view json);
std::string ModelConfigToJson(const ModelConfig& config);  // stable, indented

// Ranges and divisibility, then the shadow availability pass
// (model/availability.h): leaks and blind spots are refused.
absl::Status ValidateModelConfig(const ModelConfig& config);

// A scope with what `level` gives it.
ScopeSpec SpecOf(const LevelConfig& level, Scope scope);

// Of a level whose decoder has the tree scope.
TreeShape TreeOf(const LevelConfig& level);

// S_l: bytes that one item of `level` covers (S_0 = 1), at most.
int64_t ItemBytes(const ModelConfig& config, int level);
// Items that `level` has at most when `bytes` have been fed.
int64_t MaxItems(const ModelConfig& config, int level, int64_t bytes);
// Documents packed in a row start at multiples of so many items.
int64_t DocumentAlignment(const ModelConfig& config);

// Trainable parameters, by formula.
int64_t ParameterCount(const ModelConfig& config);

// Bytes of decoding state of one sequence that may hold `capacity` items, with
// keys and values of `value_bytes` each: caches, pool buffers, contexts. Exact:
// Generator implementations allocate this and no more per sequence, small fixed
// bookkeeping aside (documented in model/decode).
int64_t StateBytes(const ModelConfig& config, int64_t capacity,
                   int value_bytes = 4);

}  // namespace strata
