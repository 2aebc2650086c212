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
//
// levels[0] is the byte level; the last level is the top and has no block.
// A plain struct: copyable, thread-compatible. Parse/Validate return
// INVALID_ARGUMENT naming the field (`levels[0].window: ...`).

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/tree_nodes.h"

namespace strata {

// Which keys a query at item i of a level sees (itself included).
enum class Scope {
  kFull,        // 0..i
  kWindow,      // i-window+1..i
  kBlock,       // the items of its own block up to i
  kBidirBlock,  // every item of its own block; encoders only
  kTree,        // its own leaf up to i, and the nodes of model/tree_nodes.h that
                // cover all leaves before it; decoders only
};

struct LevelConfig {
  int dim = 0;         // D, a multiple of 2 * heads
  int heads = 0;       // H
  int ff_mult = 4;     // hidden width of the feed-forward = ff_mult * dim
  int enc_layers = 0;
  Scope enc_scope = Scope::kWindow;
  int dec_layers = 0;
  Scope dec_scope = Scope::kFull;
  int window = 0;      // items; for the kWindow scopes of this level
  int block = 0;       // items a unit of the level above covers; 0 at the top
  // Of the tree scope; all 0, and absent in the text, where there is none.
  int leaf = 0;         // items of a leaf
  int summaries = 0;    // vectors of a node
  int tree_height = 0;  // highest node; 0 = no limit. Beyond it every node of
                        // that height is seen, so the state grows again
};

struct ModelConfig {
  std::string architecture;     // preset family: "block", "flat", "tree", …
  std::vector<LevelConfig> levels;
  int vocab = 260;
  double dropout = 0.1;         // training only
  double rope_theta = 10000.0;
  int64_t max_context = 65536;  // items a sequence may hold, specials included
  // Bytes of the past that every prediction must be able to see (as far as
  // they exist); -1 = everything. The availability pass proves it.
  int64_t reach = -1;

  bool operator==(const ModelConfig& other) const;
};

// Strict JSON: unknown keys, missing keys, wrong types are errors.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view json);
std::string ModelConfigToJson(const ModelConfig& config);  // stable, indented

// Ranges and divisibility, then the shadow availability pass
// (model/availability.h): leaks and blind spots are refused.
absl::Status ValidateModelConfig(const ModelConfig& config);

// Of a level whose decoder has the tree scope.
TreeShape TreeOf(const LevelConfig& level);

// S_l: bytes that one item of `level` covers (S_0 = 1).
int64_t ItemBytes(const ModelConfig& config, int level);

// Trainable parameters, by formula.
int64_t ParameterCount(const ModelConfig& config);

// Bytes of decoding state of one sequence that may hold `capacity` items, with
// keys and values of `value_bytes` each: caches, pool buffers, contexts. Exact:
// Generator implementations allocate this and no more per sequence, small fixed
// bookkeeping aside (documented in model/decode).
int64_t StateBytes(const ModelConfig& config, int64_t capacity,
                   int value_bytes = 4);

}  // namespace strata
