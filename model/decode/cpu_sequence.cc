#include "model/decode/cpu_sequence.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/decode/kernels.h"
#include "model/decoder_places.h"

namespace strata {
namespace {

static_assert(kChunk == kSlotMultiple, "key chunks must fill the slots");

// The chunks that hold the first `used` slots.
template <typename T>
void CopyCache(const CacheView<T>& from, const CacheView<T>& to,
               int64_t used) {
  const int64_t chunks = (used + kChunk - 1) / kChunk;
  std::copy_n(from.keys, chunks * from.chunk_stride, to.keys);
  std::copy_n(from.values, chunks * from.chunk_stride, to.values);
}

// When so many items have been fed; a tree has its leaf, then the nodes.
int64_t SlotsInUse(const LevelConfig& level, Stack stack, int64_t items) {
  return stack == Stack::kEncoder
             ? EncoderSlots(level, items)
             : DecoderSlots(level, DecoderPlaces(level, items + 1));
}

}  // namespace

template <typename T>
absl::StatusOr<std::unique_ptr<CpuSequence<T>>> CpuSequence<T>::Allocate(
    const ModelConfig* config, int64_t capacity) {
  std::unique_ptr<CpuSequence> sequence(new CpuSequence(config, capacity));
  sequence->layout_ = MakeStateLayout(*config, capacity);
  if (!sequence->buffer_.Reserve(sequence->layout_.values)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a sequence of ", capacity, " items (",
                     sequence->bytes(), " bytes)"));
  }
  return sequence;
}

template <typename T>
CacheView<T> CpuSequence<T>::Cache(int level, Stack stack, int layer) const {
  const LevelLayout& at = layout_.levels[level];
  const bool encoder = stack == Stack::kEncoder;
  CacheView<T> view;
  view.slots = encoder ? at.enc_slots : at.dec_slots;
  const int64_t part = view.slots * config_->levels[level].dim;
  view.chunk_stride = kChunk * config_->levels[level].dim;
  T* base = const_cast<T*>(buffer_.data());
  view.keys =
      base + (encoder ? at.enc_offset : at.dec_offset) + 2 * layer * part;
  view.values = view.keys + part;
  return view;
}

template <typename T>
CacheView<T> CpuSequence<T>::HeadCache(int level, Stack stack, int layer,
                                       int head) const {
  CacheView<T> view = Cache(level, stack, layer);
  const LevelConfig& config = config_->levels[level];
  const int64_t before = head * (config.dim / config.heads) * kChunk;
  view.keys += before;
  view.values += before;
  return view;
}

template <typename T>
T* CpuSequence<T>::Sums(int level, Stack stack, int layer) const {
  const LevelConfig& config = config_->levels[level];
  const LevelLayout& at = layout_.levels[level];
  const bool encoder = stack == Stack::kEncoder;
  const Scope scope = encoder ? config.enc_scope : config.dec_scope;
  return const_cast<T*>(buffer_.data()) + (encoder ? at.enc_offset : at.dec_offset) +
         layer * SumRows(config, scope) * config.dim;
}

template <typename T>
T* CpuSequence<T>::PoolBuffer(int level) const {
  return const_cast<T*>(buffer_.data()) + layout_.levels[level].pool_offset;
}

template <typename T>
T* CpuSequence<T>::Context(int level) const {
  return const_cast<T*>(buffer_.data()) + layout_.levels[level].context_offset;
}

template <typename T>
T* CpuSequence<T>::RouterQuery(int level) const {
  return const_cast<T*>(buffer_.data()) + layout_.levels[level].router_offset;
}

template <typename T>
CacheView<T> CpuSequence<T>::BridgeCache(int level, int head) const {
  const LevelConfig& config = config_->levels[level];
  CacheView<T> view;
  view.slots = BridgeSlots(config);
  view.chunk_stride = kChunk * config.dim;
  view.keys = const_cast<T*>(buffer_.data()) + layout_.levels[level].bridge_offset +
              head * (config.dim / config.heads) * kChunk;
  view.values = view.keys + view.slots * config.dim;
  return view;
}

template <typename T>
void CpuSequence<T>::CopyFrom(const CpuSequence& other) {
  progress_ = other.progress_;
  for (int l = 0; l < static_cast<int>(config_->levels.size()); ++l) {
    const LevelConfig& level = config_->levels[l];
    const int64_t items = progress_.levels[l].items;
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
        const CacheView<T> from = other.Cache(l, stack, i);
        CopyCache(from, Cache(l, stack, i), SlotsInUse(level, stack, items));
      }
    }
    const int64_t context = ContextRows(level) * level.dim;
    const int64_t pending =
        std::min(progress_.levels[l].open.items, BufferedItems(level));
    std::copy_n(other.PoolBuffer(l), pending * level.dim, PoolBuffer(l));
    std::copy_n(other.Context(l), context, Context(l));
    if (BridgeSlots(level) > 0) {
      const int64_t contexts = progress_.levels[l + 1].items + 1;
      CopyCache(other.BridgeCache(l, 0), BridgeCache(l, 0),
                std::min(contexts, BridgeSlots(level)));
    }
    if (items > 0) {
      std::copy_n(other.RouterQuery(l), RouterItems(level) * level.dim,
                  RouterQuery(l));
    }
  }
}

template class CpuSequence<float>;
template class CpuSequence<double>;

}  // namespace strata
