#include "model/stream_availability.h"

#include <algorithm>
#include <utility>

#include "model/decoder_places.h"
#include "model/stream_levels.h"

namespace strata {
namespace {

ItemSets Compressed(const StreamConfig& stream, const ItemSets& u) {
  const auto places = static_cast<int64_t>(u.size());
  ItemSets items(StreamItems(stream, places), ByteSet(u[0].size(), 0));
  for (size_t j = 0; j < items.size(); ++j) {
    const int64_t last = static_cast<int64_t>(j) * stream.stride;
    for (int64_t i = std::max<int64_t>(0, last - stream.rate + 1); i <= last; ++i) {
      Join(u[i], &items[j]);
    }
  }
  return items;
}

ItemSets Attended(const ScopeSpec& spec, const ItemSets& items) {
  KeyUnions unions(&items, static_cast<int64_t>(items[0].size()));
  const auto n = static_cast<int64_t>(items.size());
  ItemSets out;
  for (int64_t j = 0; j < n; ++j) {
    out.push_back(unions.Of(KeysSeen(spec, j, n).recent));
  }
  return out;
}

}  // namespace

StreamUnions::StreamUnions(const LevelConfig& base, const ItemSets& u,
                           bool item_early)
    : base_(base), item_early_(item_early) {
  for (const StreamConfig& stream : base.streams) {
    items_.push_back(Compressed(stream, u));
  }
}

void StreamUnions::AfterLayer(ItemSets* u) {
  for (size_t r = 0; r < items_.size(); ++r) {
    const StreamConfig& stream = base_.streams[r];
    items_[r] = Attended(DecoderSpec(StreamLevel(base_, stream)), items_[r]);
    const size_t early = item_early_ ? stream.stride - 1 : 0;
    for (size_t i = 0; i < u->size(); ++i) {
      const size_t newest = (i + early) / stream.stride;
      Join(items_[r][std::min(newest, items_[r].size() - 1)], &(*u)[i]);
    }
  }
}

bool StreamsSeeAll(const LevelConfig& base) {
  return std::any_of(base.streams.begin(), base.streams.end(),
                     [](const StreamConfig& stream) { return stream.window == 0; });
}

}  // namespace strata
