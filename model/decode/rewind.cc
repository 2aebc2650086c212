#include "model/decode/rewind.h"

#include <algorithm>
#include <cstring>

#include "model/decode/cpu_sequence.h"
#include "model/decoder_places.h"
#include "model/knn_rule.h"
#include "model/scope_rule.h"
#include "model/unit_rule.h"

namespace strata {
namespace {

constexpr Stack kStacks[] = {Stack::kEncoder, Stack::kDecoder};

int RunsOf(const LevelConfig& level, Stack stack) {
  return stack == Stack::kEncoder ? EncoderRuns(level) : DecoderRuns(level);
}

ScopeSpec SpecOfStack(const LevelConfig& level, Stack stack) {
  return stack == Stack::kEncoder ? SpecOf(level, level.enc_scope)
                                  : DecoderSpec(level);
}

// Whether an item's keys and values take the place of an older one's.
bool HasRings(const LevelConfig& level, Stack stack) {
  const ScopeRule& rule = RuleOf(SpecOfStack(level, stack).scope);
  return RunsOf(level, stack) > 0 && rule.slot != nullptr && !rule.endless;
}

// Where feeding item i of the byte level writes.
int64_t SlotOf(const LevelConfig& level, Stack stack, int64_t item) {
  const ScopeSpec spec = SpecOfStack(level, stack);
  const int64_t place =
      stack == Stack::kEncoder ? item : DecoderPlace(level, item + 1);
  const int64_t step = KeysSeen(spec, place, place + 1).recent.step;
  return RuleOf(spec.scope).slot(spec, place, step).slot;
}

// Layers whose slots are kept, of both stacks.
int64_t RingLayers(const LevelConfig& level) {
  int64_t layers = 0;
  for (const Stack stack : kStacks) {
    if (HasRings(level, stack)) layers += RunsOf(level, stack);
  }
  return layers;
}

bool Undoes(const LevelConfig& level, Stack stack) {
  if (RunsOf(level, stack) == 0) return true;
  const ScopeRule& rule = RuleOf(SpecOfStack(level, stack).scope);
  if (rule.pooled != nullptr) return false;  // means stand in place of items
  // What leaves a window is made anew in its place.
  if (stack == Stack::kDecoder && HasKnn(level)) return false;
  // Nothing is cached by item: recomputed for a whole unit, or sums, or a tree.
  const bool whole_units = stack == Stack::kEncoder && !rule.summed;
  return rule.slot != nullptr || whole_units;
}

}  // namespace

int MostDrafts(const ModelConfig& config) {
  const LevelConfig& level = config.levels[0];
  const bool undoes = RouterItems(level) == 0 && level.streams.empty() &&
                      Undoes(level, Stack::kEncoder) && Undoes(level, Stack::kDecoder);
  return undoes ? config.ngram_heads : 0;
}

int64_t RewindBytes(const ModelConfig& config, const ValueBytes& bytes) {
  const int64_t drafts = MostDrafts(config);
  if (drafts == 0) return 0;
  const int64_t dim = config.levels[0].dim;
  return (drafts + 1) * dim * bytes.other +
         drafts * RingLayers(config.levels[0]) * 2 * dim * bytes.cached;
}

template <typename T>
bool RewindRecord<T>::Allocate(const ModelConfig& config, CacheType type) {
  config_ = &config;
  dim_ = config.levels[0].dim;
  const int64_t drafts = MostDrafts(config);
  if (drafts == 0) return true;
  after_.reserve(drafts);
  return contexts_.Reserve((drafts + 1) * dim_) &&
         overwritten_.Reserve(drafts * RingLayers(config.levels[0]) * 2 * dim_ *
                              CpuSequence<T>::ValueBytesOf(type).cached);
}

template <typename T>
int64_t RewindRecord<T>::Room(const CpuSequence<T>& sequence,
                              absl::Span<const Item> certain,
                              absl::Span<const Item> guesses) {
  const ModelConfig& config = sequence.config();
  const LevelConfig& level = config.levels[0];
  const bool units = config.levels.size() > 1;
  const int64_t first = sequence.size() + static_cast<int64_t>(certain.size());
  const int64_t most =
      std::min({static_cast<int64_t>(guesses.size()),
                int64_t{MostDrafts(config)}, sequence.capacity() - first});
  OpenUnit open = sequence.progress().levels[0].open;
  for (const Item item : certain) {
    if (units) TakeItem(level, item, &open);
  }
  for (int64_t guess = 0; guess < most; ++guess) {
    if (units && TakeItem(level, guesses[guess], &open)) return guess;
    for (const Stack stack : kStacks) {
      if (!HasRings(level, stack)) continue;
      // What is put back was there before the step, so a guess must not lie where
      // an item of the same step does.
      const int64_t slot = SlotOf(level, stack, first + guess);
      for (int64_t item = sequence.size(); item < first + guess; ++item) {
        if (SlotOf(level, stack, item) == slot) return guess;
      }
    }
  }
  return std::max<int64_t>(0, most);
}

template <typename T>
void RewindRecord<T>::Save(const CpuSequence<T>& sequence,
                           absl::Span<const Item> items, int64_t drafts) {
  contexts_kept_ = 0;
  after_.clear();
  if (drafts == 0) return;
  const LevelConfig& level = config_->levels[0];
  const int64_t certain = static_cast<int64_t>(items.size()) - drafts;
  first_guess_ = sequence.size() + certain;
  OpenUnit open = sequence.progress().levels[0].open;
  for (int64_t i = 0; i < static_cast<int64_t>(items.size()); ++i) {
    if (i == certain) before_ = open;
    if (config_->levels.size() > 1) TakeItem(level, items[i], &open);
    if (i >= certain) after_.push_back(open);
  }
  for (int64_t guess = 0; guess < drafts; ++guess) {
    MoveSlots(sequence, guess, false);
  }
}

template <typename T>
void RewindRecord<T>::KeepContexts(const T* rows, int64_t stride, int64_t count) {
  if (contexts_.capacity() == 0) return;
  contexts_kept_ = std::min(count, drafts() + 1);
  const T* const first = rows + (count - contexts_kept_) * stride;
  for (int64_t i = 0; i < contexts_kept_; ++i) {
    std::copy_n(first + i * stride, dim_, contexts_.data() + i * dim_);
  }
}

template <typename T>
void RewindRecord<T>::TakeBack(int64_t items, CpuSequence<T>* sequence) {
  if (items == 0) return;
  const int64_t kept = drafts() - items;
  for (int64_t guess = kept; guess < drafts(); ++guess) {
    MoveSlots(*sequence, guess, true);
  }
  Progress::Level& level = sequence->mutable_progress()->levels[0];
  level.items -= items;
  level.open = kept == 0 ? before_ : after_[kept - 1];
  contexts_kept_ = std::max<int64_t>(0, contexts_kept_ - items);
  after_.resize(kept);
}

template <typename T>
void RewindRecord<T>::Follow(const RewindRecord& other) {
  after_.clear();
  contexts_kept_ = 0;
  if (other.context() == nullptr) return;
  std::copy_n(other.context(), dim_, contexts_.data());
  contexts_kept_ = 1;
}

template <typename T>
void RewindRecord<T>::MoveSlots(const CpuSequence<T>& sequence, int64_t guess,
                                bool back) {
  const LevelConfig& level = config_->levels[0];
  const int64_t head_dim = dim_ / level.heads;
  const int64_t bytes = CpuSequence<T>::ValueBytesOf(sequence.cache_type()).cached;
  uint8_t* at = overwritten_.data() + guess * RingLayers(level) * 2 * dim_ * bytes;
  const auto move = [&](uint8_t* cache, int64_t size) {
    std::memcpy(back ? cache : at, back ? at : cache, size);
    at += size;
  };
  for (const Stack stack : kStacks) {
    if (!HasRings(level, stack)) continue;
    const int64_t slot = SlotOf(level, stack, first_guess_ + guess);
    for (int layer = 0; layer < RunsOf(level, stack); ++layer) {
      for (int head = 0; head < level.heads; ++head) {
        const CacheView cache = sequence.HeadCache(0, stack, layer, head);
        for (int64_t d = 0; d < head_dim; ++d) {
          move(cache.KeyColumn(slot) + d * kChunk * bytes, bytes);
        }
        move(cache.ValueRow(slot), head_dim * bytes);
      }
    }
  }
}

template class RewindRecord<float>;
template class RewindRecord<double>;

}  // namespace strata
