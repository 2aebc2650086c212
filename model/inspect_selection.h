#pragma once
// What of a model an inspection tells: which levels, layers of each stack, heads,
// and how many keys of a query. Pure functions on plain values.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model_config.h"

namespace strata {

inline constexpr int kDefaultInspectTopK = 4;
inline constexpr int kMaxInspectTopK = 64;
inline constexpr int64_t kMaxInspectLinks = 1 << 20;  // of one answer
inline constexpr int kMaxInspectChoices = 1024;       // of levels, layers, heads

struct InspectOptions {
  std::vector<int> levels;  // empty: all
  // Of each stack as it runs (EncoderRuns, DecoderRuns), -1 the last; empty: the last.
  std::vector<int> layers;
  std::vector<int> heads;   // empty: all
  int top_k = kDefaultInspectTopK;
};

// Of one level; ascending, each once. A bridge that attends is told of with its level,
// whatever the layers.
struct LevelSelection {
  int level = 0;
  std::vector<int> encoder_layers;
  std::vector<int> decoder_layers;
  std::vector<int> heads;
  // Of each stream beside the decoder, whose layers are those of the decoder.
  std::vector<std::vector<int>> stream_heads;
};

// By level. A layer or head that a stack or level lacks is left out there; one that
// none has is INVALID_ARGUMENT, as is an answer of more than kMaxInspectLinks links
// by formula: the message begins with the field ("levels[0] is 7; …").
absl::StatusOr<std::vector<LevelSelection>> SelectForInspection(
    const ModelConfig& config, const InspectOptions& options,
    int64_t text_items);

}  // namespace strata
