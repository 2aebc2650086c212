#pragma once
// LevelItems: what the items of each level stand for when a model has read a text:
// which items of the level below, and so which bytes. Torch-free; pure functions on
// plain values.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/byte_range.h"
#include "model/model_config.h"

namespace strata {

struct ItemRange {
  int64_t begin = 0;
  int64_t end = 0;  // past the last item
};

struct LevelItems {
  std::vector<ByteRange> bytes;  // of each item
  std::vector<ItemRange> units;  // complete ones, of its items; none at the top
};

// One a level, of the items fed: a text behind one marker, which stands for no byte; a
// unit that begins with it begins with the first byte. `lengths`: bytes of each item.
// `ends`: where the byte level's units are not fixed, whether one ends with each item.
std::vector<LevelItems> ItemsOfLevels(const ModelConfig& config,
                                      absl::Span<const int64_t> lengths,
                                      absl::Span<const uint8_t> ends);

}  // namespace strata
