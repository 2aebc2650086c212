#include "model/decode/cpu_sequence.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/decode/kernels.h"
#include "model/decoder_places.h"
#include "model/knn_rule.h"
#include "model/stream_levels.h"

namespace strata {
namespace {

static_assert(kChunk == kSlotMultiple, "key chunks must fill the slots");

// The chunks that hold the first `used` slots.
void CopyHead(const CacheView& from, const CacheView& to, int64_t used) {
  const int64_t chunks = (used + kChunk - 1) / kChunk;
  const int64_t bytes = chunks * kChunk * from.head_dim * from.value_bytes;
  std::copy_n(from.keys, bytes, to.keys);
  std::copy_n(from.values, bytes, to.values);
}

// Of a view of all heads.
void TakeHead(const LevelConfig& config, int head, CacheView* view) {
  view->head_dim = config.dim / config.heads;
  const int64_t before = view->value_bytes * head * view->slots * view->head_dim;
  view->keys += before;
  view->values += before;
}

// Of run `run` when so many items have been fed; a tree has its leaf, then the nodes.
int64_t SlotsInUse(const LevelConfig& level, Stack stack, int run, int64_t items) {
  if (stack == Stack::kEncoder) return EncoderSlots(level, items);
  const int64_t places = DecoderPlaces(level, items + 1);
  return run == KnnRun(level) ? KnnSlots(level, places) : DecoderSlots(level, places);
}

}  // namespace

template <typename T>
CpuSequence<T>::CpuSequence(const ModelConfig* config, int64_t capacity,
                            CacheType type)
    : config_(config),
      streams_(StreamLevels(*config)),
      type_(type),
      progress_(*config),
      capacity_(capacity) {}

template <typename T>
absl::StatusOr<std::unique_ptr<CpuSequence<T>>> CpuSequence<T>::Allocate(
    const ModelConfig* config, int64_t capacity, CacheType type) {
  std::unique_ptr<CpuSequence> sequence(new CpuSequence(config, capacity, type));
  sequence->layout_ = MakeStateLayout(*config, capacity);
  if (!sequence->buffer_.Reserve(
          ValueBytesOf(type).Of(sequence->layout_.values, sequence->layout_.cached)) ||
      !sequence->rewind_.Allocate(*config, type)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a sequence of ", capacity, " items (",
                     sequence->bytes(), " bytes)"));
  }
  return sequence;
}

template <typename T>
uint8_t* CpuSequence<T>::AtCache(int level, int64_t offset) const {
  const LevelLayout& at = layout_.levels[level];
  const int64_t cached =
      at.cached_before + std::min(at.enc_cached, offset - at.enc_offset) +
      std::clamp<int64_t>(offset - at.dec_offset, 0, at.dec_cached);
  return const_cast<uint8_t*>(buffer_.data()) +
         ValueBytesOf(type_).Of(offset, cached);
}

template <typename T>
T* CpuSequence<T>::AtPart(int level, int64_t part) const {
  const int64_t caches_end = layout_.levels[level].pool_offset;
  return reinterpret_cast<T*>(AtCache(level, caches_end)) + (part - caches_end);
}

template <typename T>
CacheView CpuSequence<T>::HeadCache(int level, Stack stack, int layer,
                                    int head) const {
  const LevelLayout& at = layout_.levels[level];
  const bool encoder = stack == Stack::kEncoder;
  CacheView view;
  view.type = TypeOf(Level(level), type_);
  view.value_bytes = ValueBytesOf(type_).cached;
  const LevelConfig& config = Level(level);
  const bool knn = !encoder && layer == KnnRun(config);
  const int64_t scoped = encoder ? at.enc_slots : at.dec_slots;
  view.slots = knn ? KnnSlots(config, at.dec_items) : scoped;
  const int64_t part = view.slots * config.dim;
  const int before = encoder ? layer
                     : knn   ? ScopedRuns(config)
                             : ScopedRunsBefore(config, layer);
  const int64_t offset =
      (encoder ? at.enc_offset : at.dec_offset) + 2 * before * scoped * config.dim;
  view.keys = AtCache(level, offset);
  view.values = AtCache(level, offset + part);
  TakeHead(config, head, &view);
  return view;
}

template <typename T>
T* CpuSequence<T>::Sums(int level, Stack stack, int layer) const {
  const LevelConfig& config = Level(level);
  const LevelLayout& at = layout_.levels[level];
  const bool encoder = stack == Stack::kEncoder;
  const Scope scope = encoder ? config.enc_scope : config.dec_scope;
  return reinterpret_cast<T*>(
      AtCache(level, (encoder ? at.enc_offset : at.dec_offset) +
                         layer * SumRows(config, scope) * config.dim));
}

template <typename T>
T* CpuSequence<T>::PoolBuffer(int level) const {
  return AtPart(level, layout_.levels[level].pool_offset);
}

template <typename T>
T* CpuSequence<T>::Context(int level) const {
  return AtPart(level, layout_.levels[level].context_offset);
}

template <typename T>
T* CpuSequence<T>::RouterQuery(int level) const {
  return AtPart(level, layout_.levels[level].router_offset);
}

template <typename T>
CacheView CpuSequence<T>::BridgeCache(int level, int head) const {
  const LevelConfig& config = Level(level);
  CacheView view;
  view.value_bytes = sizeof(T);
  view.slots = BridgeSlots(config);
  T* const keys = AtPart(level, layout_.levels[level].bridge_offset);
  view.keys = reinterpret_cast<uint8_t*>(keys);
  view.values = reinterpret_cast<uint8_t*>(keys + view.slots * config.dim);
  TakeHead(config, head, &view);
  return view;
}

template <typename T>
T* CpuSequence<T>::Entered(int level, int64_t place) const {
  const LevelConfig& config = Level(level);
  return AtPart(level, layout_.levels[level].pool_offset) +
         place % StreamTail(config) * config.dim;
}

template <typename T>
T* CpuSequence<T>::Said(int stream, int layer) const {
  return AtPart(stream, layout_.levels[stream].context_offset) +
         layer * Level(stream).dim;
}

template <typename T>
int64_t CpuSequence<T>::ItemsFed(int level) const {
  const auto own = static_cast<int>(config_->levels.size());
  if (level < own) return progress_.levels[level].items;
  const StreamConfig& stream = config_->levels[0].streams[level - own];
  return StreamItems(stream, progress_.levels[0].items + 1) - 1;
}

template <typename T>
void CpuSequence<T>::CopyFrom(const CpuSequence& other) {
  progress_ = other.progress_;
  damaged_ = other.damaged_;
  rewind_.Follow(other.rewind_);
  for (int l = 0; l < static_cast<int>(layout_.levels.size()); ++l) {
    CopyLevel(l, other);
  }
  CopyStreams(other);
}

template <typename T>
void CpuSequence<T>::CopyLevel(int l, const CpuSequence& other) {
  const LevelConfig& level = Level(l);
  const int64_t items = ItemsFed(l);
  for (const Stack stack : {Stack::kEncoder, Stack::kDecoder}) {
    const bool encoder = stack == Stack::kEncoder;
    const int layers = encoder ? EncoderRuns(level) : DecoderRuns(level);
    const int64_t sums =
        SumRows(level, encoder ? level.enc_scope : level.dec_scope) * level.dim;
    for (int i = 0; i < layers; ++i) {
      if (sums > 0) {
        if (encoder && items == 0) continue;  // none yet
        std::copy_n(other.Sums(l, stack, i), sums, Sums(l, stack, i));
        continue;
      }
      const int64_t used = SlotsInUse(level, stack, i, items);
      for (int head = 0; head < level.heads; ++head) {
        CopyHead(other.HeadCache(l, stack, i, head), HeadCache(l, stack, i, head), used);
      }
    }
  }
  if (l >= static_cast<int>(config_->levels.size())) return;
  const int64_t pending =
      std::min(progress_.levels[l].open.items, BufferedItems(level));
  std::copy_n(other.PoolBuffer(l), pending * level.dim, PoolBuffer(l));
  std::copy_n(other.Context(l), ContextRows(level) * level.dim, Context(l));
  if (BridgeSlots(level) > 0) {
    const int64_t contexts = progress_.levels[l + 1].items + 1;
    for (int head = 0; head < level.heads; ++head) {
      CopyHead(other.BridgeCache(l, head), BridgeCache(l, head),
               std::min(contexts, BridgeSlots(level)));
    }
  }
  if (items > 0) {
    std::copy_n(other.RouterQuery(l), RouterItems(level) * level.dim, RouterQuery(l));
  }
}

template <typename T>
void CpuSequence<T>::CopyStreams(const CpuSequence& other) {
  if (streams_.empty()) return;
  const int64_t places = progress_.levels[0].items + 1;
  for (int64_t i = 0; i < std::min(places, StreamTail(Level(0))); ++i) {
    std::copy_n(other.Entered(0, i), Level(0).dim, Entered(0, i));
  }
  const auto own = static_cast<int>(config_->levels.size());
  for (int l = own; l < own + static_cast<int>(streams_.size()); ++l) {
    std::copy_n(other.Said(l, 0), Level(l).dec_layers * Level(l).dim, Said(l, 0));
  }
}

template class CpuSequence<float>;
template class CpuSequence<double>;

}  // namespace strata
