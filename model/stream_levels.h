#pragma once
// Streams beside the decoder of a model's byte level, slower than it
// (model/nn/multirate_stack.h has the formula): what each is as a level of its own, how
// many items it has, what a sequence keeps of it, what a config of them must be. With
// P places of the decoder, u[0] .. u[P - 1], and a stream of stride s:
//
//   item j   is made at place j s, of u[j s - rate + 1 .. j s]
//   place i  sees the stream's items up to i / s
//
// So there is an item for every place to see, from u[0] on, and none has seen more than
// its place. Stacks of layers are numbered: those of the levels, then the streams. Pure
// functions, thread-safe.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/model_config.h"

namespace strata {

inline constexpr int kMaxStreams = 4;
inline constexpr int kMaxStreamRate = 64;

// The stream as a level that has a decoder alone: its items are the decoder's places,
// item 0 being there before the first byte.
LevelConfig StreamLevel(const LevelConfig& base, const StreamConfig& stream);

// All of a model, and behind its levels.
std::vector<LevelConfig> StreamLevels(const ModelConfig& config);
std::vector<LevelConfig> StackLevels(const ModelConfig& config);

// A model of one stack of StackLevels alone, which says all that its layers need.
ModelConfig StreamModel(const ModelConfig& config, const StreamConfig& stream);

// Items that a stream has, and so the number of the next one, when its base has `places`.
inline int64_t StreamItems(const StreamConfig& stream, int64_t places) {
  return (places + stream.stride - 1) / stream.stride;
}

// Places of the base from which on all streams make items again as at place 0; 1
// without streams. Documents begin at its multiples.
int64_t StreamPeriod(const LevelConfig& base);

// Of what enters the base, the last vectors that a sequence keeps for items to come:
// that of place p in row p % StreamTail. One less than the highest rate.
int64_t StreamTail(const LevelConfig& base);

// Width of what a merge reads: an item of the base, then one of each stream.
int64_t MergeWidth(const LevelConfig& base);
// Of what it makes of that before it adds to the base.
inline int64_t MergeHidden(const LevelConfig& base) { return 2 * int64_t{base.dim}; }

// Numbers that a stream has to learn, and all merges of a base.
int64_t StreamParameters(const LevelConfig& base, const StreamConfig& stream);
int64_t MergeParameters(const LevelConfig& base);

// The config's streams, where it has any: their own fields, and what does not go with
// them.
absl::Status ValidateStreams(const ModelConfig& config);

}  // namespace strata
