#include "model/inspect/stack_keys.h"

#include <algorithm>

#include "model/decoder_places.h"
#include "model/inspect/attention_recorder.h"
#include "model/stream_levels.h"

namespace strata {

std::vector<AttendedKey> EncoderPositions(const LevelItems& items) {
  std::vector<AttendedKey> keys;
  for (const ByteRange& bytes : items.bytes) {
    keys.push_back({AttendedKey::Kind::kItem, bytes, 0});
  }
  return keys;
}

std::vector<AttendedKey> DecoderPositions(const LevelConfig& level,
                                          const LevelItems& items) {
  std::vector<AttendedKey> keys;
  const auto contexts = static_cast<int64_t>(items.bytes.size()) + 1;
  for (int64_t i = 0; i < contexts; ++i) {
    AttendedKey read = {AttendedKey::Kind::kStart, {}, 0};
    if (i > 0) {
      read = {AttendedKey::Kind::kItem, items.bytes[static_cast<size_t>(i) - 1], 0};
    }
    const auto place = static_cast<size_t>(DecoderPlace(level, i));
    keys.resize(place, {AttendedKey::Kind::kPrefix, {0, read.bytes.end}, 0});
    keys.push_back(read);
  }
  return keys;
}

std::vector<AttendedKey> StreamPositions(const StreamConfig& stream,
                                         const std::vector<AttendedKey>& places) {
  std::vector<AttendedKey> keys;
  const int64_t items = StreamItems(stream, static_cast<int64_t>(places.size()));
  for (int64_t last = 0; last < items * stream.stride; last += stream.stride) {
    const int64_t first = std::max<int64_t>(0, last - stream.rate + 1);
    AttendedKey key = places[static_cast<size_t>(last)];
    key.bytes.begin = places[static_cast<size_t>(first)].bytes.begin;
    keys.push_back(key);
  }
  return keys;
}

void AddNodes(const TreeShape& tree, std::vector<AttendedKey>* keys) {
  const auto positions = static_cast<int64_t>(keys->size());
  const auto numbers = TreeNodeNumbers(tree, positions);
  for (size_t h = 0; h + 1 < numbers.size(); ++h) {
    const int64_t span = int64_t{tree.leaf} << h;
    for (int64_t i = 0; i < numbers[h + 1] - numbers[h]; ++i) {
      const ByteRange first = (*keys)[static_cast<size_t>(i * span)].bytes;
      const ByteRange last = (*keys)[static_cast<size_t>((i + 1) * span) - 1].bytes;
      keys->push_back({AttendedKey::Kind::kNode, {first.begin, last.end},
                       static_cast<int>(h)});
    }
  }
}

void AddContexts(const LevelItems& items, std::vector<AttendedKey>* keys) {
  keys->push_back({AttendedKey::Kind::kContext, {}, 0});
  for (const ItemRange& unit : items.units) {
    const ByteRange last = items.bytes[static_cast<size_t>(unit.end) - 1];
    keys->push_back({AttendedKey::Kind::kContext, {0, last.end}, 0});
  }
}

}  // namespace strata
