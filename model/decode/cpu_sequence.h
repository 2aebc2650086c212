#pragma once
// The state of one stream: one allocation of exactly StateBytes of its config, laid
// out by model/state_layout.h, and beside it what model/decode/rewind.h needs; keys and
// values have a type of their own. A layer's cache is one run of memory for each head, so
// that what attends is fetched ahead:
//   keys    [heads][slots / kChunk][head_dim][kChunk]
//   values  [heads][slots][head_dim]
// model/scope_rule.h says in which slot an item lives. Besides the allocation there
// are a few hundred bytes of counters and offsets, and of each stream beside a decoder
// as many that say what it is. Levels are numbered with streams behind them
// (model/stream_levels.h).
// Nothing is read before it was written, so memory is not cleared.

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/decode/aligned_buffer.h"
#include "model/decode/kernels.h"
#include "model/decode/level_rows.h"
#include "model/decode/rewind.h"
#include "model/generator.h"
#include "model/model_config.h"
#include "model/state_layout.h"

namespace strata {

// One head of one layer's cache.
struct CacheView {
  uint8_t* keys = nullptr;
  uint8_t* values = nullptr;
  CacheType type = CacheType::kFull;
  int value_bytes = 0;  // of the type
  int64_t slots = 0;
  int64_t head_dim = 0;

  // The key of a slot, kChunk values from dimension to dimension.
  uint8_t* KeyColumn(int64_t slot) const {
    return keys + value_bytes * (slot / kChunk * kChunk * head_dim + slot % kChunk);
  }
  uint8_t* ValueRow(int64_t slot) const { return values + value_bytes * slot * head_dim; }
};

template <typename T>
class CpuSequence final : public Sequence {
 public:
  // `config` must outlive the sequence; it also identifies the model. The
  // state is uninitialised until CopyFrom. RESOURCE_EXHAUSTED without memory.
  static absl::StatusOr<std::unique_ptr<CpuSequence>> Allocate(
      const ModelConfig* config, int64_t capacity, CacheType type);

  int64_t size() const override { return progress_.levels[0].items; }
  int64_t capacity() const override { return capacity_; }
  int64_t bytes() const override {
    return ValueBytesOf(type_).Of(layout_.values, layout_.cached) +
           RewindBytes(*config_, ValueBytesOf(type_));
  }
  CacheType cache_type() const { return type_; }
  static ValueBytes ValueBytesOf(CacheType type) {
    return {CacheBytes(type, sizeof(T)), sizeof(T)};
  }
  // Of one level where `type` is asked for. Keys that a position scheme scales reach
  // e^41, far beyond fp16: they are bf16 in its place, of the same size.
  static CacheType TypeOf(const LevelConfig& level, CacheType type) {
    const bool scaled = level.position->log_scale != nullptr;
    return type == CacheType::kFp16 && scaled ? CacheType::kBf16 : type;
  }

  const ModelConfig& config() const { return *config_; }
  const Progress& progress() const { return progress_; }
  Progress* mutable_progress() { return &progress_; }
  uint8_t* data() { return buffer_.data(); }  // without what rewind() holds
  RewindRecord<T>* rewind() { return &rewind_; }
  // A step failed halfway: what it holds is neither before nor after it.
  bool damaged() const { return damaged_; }
  void set_damaged(bool damaged) { damaged_ = damaged; }

  CacheView HeadCache(int level, Stack stack, int layer, int head) const;
  // [SumRows][dim]: S by feature, then z, of a layer whose scope keeps sums.
  T* Sums(int level, Stack stack, int layer) const;
  // [block][dim]: items of the incomplete unit, where blocks are fixed.
  T* PoolBuffer(int level) const;
  // [ContextRows][dim]: what the level above says about each offset of the unit.
  T* Context(int level) const;
  // One head of the keys and values of the newest contexts, where the bridge attends.
  CacheView BridgeCache(int level, int head) const;
  // Of the base of streams, the [dim] of a place among the last StreamTail ones.
  T* Entered(int level, int64_t place) const;
  // [dim]: the item that a stream made last, as `layer` left it.
  T* Said(int stream, int layer) const;
  // [dim]: the router's query of the last item, where the level has one.
  T* RouterQuery(int level) const;

  // Makes this a copy of `other`: same config, capacity() >= other.size().
  // Copies what is in use, not what is reserved. An item's slot is the same in
  // both: it does not depend on the capacity. What could be taken back stays behind.
  void CopyFrom(const CpuSequence& other);

 private:
  CpuSequence(const ModelConfig* config, int64_t capacity, CacheType type);

  const LevelConfig& Level(int level) const {
    const int own = static_cast<int>(config_->levels.size());
    return level < own ? config_->levels[level] : streams_[level - own];
  }
  void CopyLevel(int level, const CpuSequence& other);
  // What streams, and their base, have beside caches.
  void CopyStreams(const CpuSequence& other);
  // That a level, or a stream, has been fed: a stream's item 0 is there before.
  int64_t ItemsFed(int level) const;

  // Of a place of the layout: `offset` in the caches of the level, `part` in what
  // lies behind them.
  uint8_t* AtCache(int level, int64_t offset) const;
  T* AtPart(int level, int64_t part) const;

  const ModelConfig* const config_;
  const std::vector<LevelConfig> streams_;
  const CacheType type_;
  Progress progress_;
  const int64_t capacity_;
  bool damaged_ = false;
  StateLayout layout_;
  AlignedBuffer<uint8_t> buffer_;
  RewindRecord<T> rewind_;
};

extern template class CpuSequence<float>;
extern template class CpuSequence<double>;

}  // namespace strata
