#pragma once
// The torch-free face of looking into a served model: a text in, and out come how
// much each byte surprised it, which bytes the items of each level stand for, what
// every position attended to, and what the pools weighed. Immutable weights;
// thread-safe.
//
// A position of an encoder is an item. Position p of a decoder has read item p - 1
// (position 0 the learned start alone) and predicts item p. Where the bridge is
// `prefix`, the items that stand before a block are positions between those, which
// predict nothing (model/decoder_places.h). A position of a stream is an item of it,
// which stands for what it was made of (model/stream_levels.h).

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/byte_range.h"
#include "model/inspect_selection.h"
#include "model/model_config.h"

namespace strata {

struct AttendedKey {
  enum class Kind { kItem, kStart, kNode, kPrefix, kContext };
  Kind kind = Kind::kItem;
  ByteRange bytes;  // of the text; of a prefix or context, all before its unit
  int height = 0;   // of a node
};

struct AttentionLink {
  int32_t key = 0;   // in InspectedStack::keys
  float weight = 0;  // (0, 1]
};

struct AttentionRow {
  std::vector<AttentionLink> links;  // heaviest first; of equals the earlier key
  float rest = 0;                    // what all other keys got
};

struct AttentionMap {
  int layer = 0;
  int head = 0;
  // One a position; empty where that had stopped before the layer.
  std::vector<AttentionRow> rows;
};

struct InspectedStack {
  // A bridge that attends is one layer whose queries are the decoder's positions.
  enum class Kind { kEncoder, kDecoder, kBridge, kStream };
  Kind kind = Kind::kDecoder;
  Scope scope = Scope::kFull;     // of a bridge kWindow, over contexts
  int layers = 0;                 // of the whole stack, as it runs
  int stream = 0, rate = 0, stride = 0;  // its number and StreamConfig's; else 0
  int64_t positions = 0;          // the first of the keys are also the queries
  // Of each position, how many layers it passed; empty where all pass all.
  std::vector<int32_t> depths;
  // Positions, then tree nodes, lowest first, or the contexts of the level above.
  std::vector<AttendedKey> keys;
  std::vector<AttentionMap> maps;  // by layer, then head
};

struct PooledUnit {
  int64_t begin_item = 0;
  int64_t end_item = 0;
  // [heads selected][items]: each sums to 1. Empty unless the rule is attention.
  std::vector<std::vector<float>> weights;
};

struct InspectedLevel {
  LevelSelection selection;
  std::vector<ByteRange> items;        // bytes that each stands for
  std::vector<InspectedStack> stacks;  // those with layers: encoder, bridge, decoder, streams
  std::vector<PooledUnit> units;       // complete ones; none at the top
};

struct Inspection {
  // Of each byte: -log2 p; a piece's is spread evenly over its bytes.
  std::vector<double> surprise_bits;
  std::vector<InspectedLevel> levels;
};

class Inspector {
 public:
  virtual ~Inspector() = default;
  virtual const ModelConfig& config() const = 0;

  // One forward pass over the text behind the marker that starts every text.
  // REQUIRES: options that SelectForInspection accepts for a text of so many items.
  // RESOURCE_EXHAUSTED without memory.
  virtual absl::StatusOr<Inspection> Inspect(
      absl::string_view text, const InspectOptions& options) const = 0;
};

// Bytes of the weights that an Inspector of a model holds.
inline int64_t InspectorBytes(const ModelConfig& config) {
  return ParameterCount(config) * static_cast<int64_t>(sizeof(float));
}

// Opens a version folder: verifies the manifest, the config, the tensors.
// DATA_LOSS on a checksum mismatch.
using InspectorLoader =
    std::function<absl::StatusOr<std::shared_ptr<const Inspector>>(
        const std::string& version_dir)>;

}  // namespace strata
