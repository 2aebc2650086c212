// LevelStep: attention over the caches of a sequence and inside complete units.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "model/decode/level_step.h"
#include "model/knn_rule.h"

namespace strata {
namespace {

// Values of a vector that are turned or copied at a time.
constexpr int64_t kVectorBlock = 64;

// How far back a head looks.
template <typename T>
int64_t SightOf(const ScoreTerm<T>* term, int head) {
  return term == nullptr ? std::numeric_limits<int64_t>::max() : term->sight(head);
}

template <typename T>
void ShiftQuery(const ScoreTerm<T>& term, int head, int64_t width, T* q) {
  const T* shift = term.query_shift(head);
  for (int64_t m = 0; shift != nullptr && m < width; ++m) q[m] += shift[m];
}

}  // namespace

template <typename T>
void LevelStep<T>::FillRope(int l, int64_t row, int64_t item) {
  const TurnTable& turns = model_->rope(l);
  turns.Fill(item, scratch_[l].rope.data() + row * turns.width());
}

template <typename T>
typename LevelStep<T>::HeadVector LevelStep<T>::ItemVector(int l, int64_t row,
                                                           int head) const {
  const LevelConfig& level = level_config(l);
  const T* key = scratch_[l].qkv.data() + row * PaddedWidth(3 * level.dim) +
                 level.dim + head * (level.dim / level.heads);
  return {key, 1, key + level.dim, CacheType::kFull};
}

template <typename T>
typename LevelStep<T>::HeadVector LevelStep<T>::CachedVector(
    const CacheView& cache, int64_t slot) const {
  return {cache.KeyColumn(slot), kChunk, cache.ValueRow(slot), cache.type};
}

template <typename T>
void LevelStep<T>::TakeKey(const HeadVector& from, int64_t first, int64_t count,
                           T* to) const {
  const auto* key = static_cast<const uint8_t*>(from.key) +
                    first * from.key_step * CacheBytes(from.type, sizeof(T));
  model_->kernels().take(key, from.key_step, from.type, count, to);
}

template <typename T>
void LevelStep<T>::TakeValue(const HeadVector& from, int64_t first,
                             int64_t count, T* to) const {
  const auto* value = static_cast<const uint8_t*>(from.value) +
                      first * CacheBytes(from.type, sizeof(T));
  model_->kernels().take(value, 1, from.type, count, to);
}

template <typename T>
void LevelStep<T>::PutValue(int l, const HeadVector& from,
                            const CacheView& cache, int64_t slot) const {
  const int64_t width = level_config(l).dim / level_config(l).heads;
  uint8_t* to = cache.ValueRow(slot);
  if (from.type == CacheType::kFull) {
    model_->kernels().put(static_cast<const T*>(from.value), width, cache.type,
                          to, 1);
    return;
  }
  T some[kVectorBlock];
  for (int64_t d = 0; d < width; d += kVectorBlock) {
    const int64_t count = std::min(kVectorBlock, width - d);
    TakeValue(from, d, count, some);
    model_->kernels().put(some, count, cache.type, to + d * cache.value_bytes, 1);
  }
}

template <typename T>
void LevelStep<T>::CopyVector(int l, const HeadVector& from,
                              const CacheView& cache, int64_t slot) const {
  const int64_t width = level_config(l).dim / level_config(l).heads;
  uint8_t* to = cache.KeyColumn(slot);
  T some[kVectorBlock];
  for (int64_t d = 0; d < width; d += kVectorBlock) {
    const int64_t count = std::min(kVectorBlock, width - d);
    TakeKey(from, d, count, some);
    model_->kernels().put(some, count, cache.type,
                          to + d * kChunk * cache.value_bytes, kChunk);
  }
  PutValue(l, from, cache, slot);
}

// Rotates the key into its slot; copies the value.
template <typename T>
void LevelStep<T>::PutVector(int l, const HeadVector& from, const T* angles,
                             const CacheView& cache, int64_t slot) {
  const int64_t half = level_config(l).dim / level_config(l).heads / 2;
  const auto& put = model_->kernels().put;
  const T* cosine = angles;
  const T* sine = angles + half;
  uint8_t* to = cache.KeyColumn(slot);
  const int64_t column = kChunk * cache.value_bytes;
  T low[kVectorBlock], high[kVectorBlock];
  for (int64_t d = 0; d < half; d += kVectorBlock) {
    const int64_t count = std::min(kVectorBlock, half - d);
    TakeKey(from, d, count, low);
    TakeKey(from, d + half, count, high);
    for (int64_t m = 0; m < count; ++m) {
      const T k0 = low[m], k1 = high[m];
      low[m] = k0 * cosine[d + m] - k1 * sine[d + m];
      high[m] = k1 * cosine[d + m] + k0 * sine[d + m];
    }
    put(low, count, cache.type, to + d * column, kChunk);
    put(high, count, cache.type, to + (d + half) * column, kChunk);
  }
  PutValue(l, from, cache, slot);
}

// Rotates and scales the query in place; puts key and value into their slot.
template <typename T>
void LevelStep<T>::RotateInto(int l, int64_t row, int head,
                              const CacheView& cache, int64_t slot,
                              const ScoreTerm<T>* term) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = level.dim / level.heads;
  const int64_t half = width / 2;
  const T scale = T(1) / std::sqrt(static_cast<T>(width));
  T* q = s.qkv.data() + row * PaddedWidth(3 * level.dim) + head * width;
  const TurnTable& turns = model_->rope(l);
  const T* cosine = s.rope.data() + row * turns.width();
  const T* sine = cosine + half;
  if (term != nullptr) ShiftQuery(*term, head, width, q);
  for (int64_t m = 0; m < half; ++m) {
    const T q0 = q[m], q1 = q[m + half];
    q[m] = (q0 * cosine[m] - q1 * sine[m]) * scale;
    q[m + half] = (q1 * cosine[m] + q0 * sine[m]) * scale;
  }
  PutVector(l, ItemVector(l, row, head), cosine + turns.key_offset(), cache,
            slot);
}

template <typename T>
void LevelStep<T>::Attend(const Job& job, int layer, bool wanted_only) {
  LevelScratch<T>& s = scratch_[job.level];
  const int64_t heads = level_config(job.level).heads;
  const int64_t tasks = static_cast<int64_t>(s.stack_rows.size()) * heads;
  const LevelConfig& level = level_config(job.level);
  const bool tree = job.stack == Stack::kDecoder && HasTree(job.level);
  const bool summed = RuleOf(job.stack == Stack::kEncoder ? level.enc_scope
                                                          : level.dec_scope)
                          .summed;
  const bool knn = job.stack == Stack::kDecoder && layer == KnnRun(level);
  if (tree) MakeNodes(job.level, layer);
  pool_->ParallelFor(tasks, [&](int thread, int64_t task) {
    const StackRow<CpuSequence<T>>& row = s.stack_rows[task / heads];
    const int head = static_cast<int>(task % heads);
    const int64_t first_query = wanted_only ? row.first_wanted : 0;
    if (tree) {
      AttendTreeHead(job.level, layer, task / heads, head, first_query,
                     ThreadScratch(thread));
    } else if (knn) {
      AttendKnnHead(job.level, row, layer, head, first_query, ThreadScratch(thread));
    } else if (summed) {
      AttendSumsHead(job, row, layer, head, first_query, ThreadScratch(thread));
    } else {
      AttendHead(job, row, layer, head, first_query, ThreadScratch(thread));
    }
  });
}

template <typename T>
void LevelStep<T>::AttendHead(const Job& job,
                              const StackRow<CpuSequence<T>>& row, int layer,
                              int head, int64_t first_query, T* scores) {
  const int l = job.level;
  const LevelConfig& level = level_config(l);
  const Scope scope =
      job.stack == Stack::kEncoder ? level.enc_scope : level.dec_scope;
  const ScopeSpec spec = SpecOf(level, scope);
  const bool means = PooledItems(spec) > 1;
  const SlotSight& slots = scratch_[l].slots;
  const CacheView cache =
      row.sequence->HeadCache(l, job.stack, layer, head);
  const ScoreTerm<T>* const term = model_->term(l, job.stack, layer);
  AttendArgs<T> args = CacheArgs(l, cache, scores);
  // A slot may be overwritten only after the queries that see it. The full scope
  // overwrites nothing, so its queries can share a pass.
  int64_t written = 0;
  const auto write_until = [&](int64_t end) {
    for (; written < end; ++written) {
      const int64_t item = row.offset + written;
      if (means) PutMean(l, spec, row.begin + written, cache);
      RotateInto(l, item, head, cache, slots.slot(item), term);
    }
  };
  const int64_t sight = SightOf(term, head);
  for (int64_t j = first_query; j < row.count;) {
    const bool tile = scope == Scope::kFull && row.begin + j + kQueryTile <= sight &&
                      j + kQueryTile <= row.count;
    const int64_t queries = tile ? kQueryTile : 1;
    write_until(j + queries);
    const int64_t item = row.offset + j;
    if (!scratch_[l].depth.Any(item, queries)) {
      j += queries;
      continue;
    }
    SetQuery(l, item, head, &args);
    const auto runs = See(slots, item, row.begin + j, term, head, &args);
    if (term != nullptr) FillTerms(*term, head, row.begin + j, runs, queries, &args);
    if (tile) {
      model_->kernels().attend_tile(args);
    } else {
      model_->kernels().attend(args);
    }
    j += queries;
  }
  write_until(row.count);
}

template <typename T>
absl::Span<const SlotRun> LevelStep<T>::See(const SlotSight& slots, int64_t row,
                                            int64_t place, const ScoreTerm<T>* term,
                                            int head, AttendArgs<T>* args) {
  const int64_t sight = SightOf(term, head);
  if (place < sight) {
    SetSeen(slots.ranges(row), args);
    return slots.runs(row);
  }
  thread_local std::vector<SlotRun> near;
  thread_local std::vector<SlotRange> near_ranges;
  SlotSight::KeepNear(slots.runs(row), place, sight, &near, &near_ranges);
  SetSeen(near_ranges, args);
  return near;
}

template <typename T>
AttendArgs<T> LevelStep<T>::CacheArgs(int l, const CacheView& cache,
                                      T* scores) const {
  const LevelConfig& level = level_config(l);
  AttendArgs<T> args;
  args.q_stride = PaddedWidth(3 * level.dim);
  args.out_stride = PaddedWidth(level.dim);
  args.k = cache.keys;
  args.v = cache.values;
  args.type = cache.type;
  args.head_dim = cache.head_dim;
  args.scores = scores;
  args.score_stride = score_stride_;
  return args;
}

template <typename T>
void LevelStep<T>::SetQuery(int l, int64_t row, int head, AttendArgs<T>* args) {
  LevelScratch<T>& s = scratch_[l];
  args->q = s.qkv.data() + row * args->q_stride + head * args->head_dim;
  args->out = s.att.data() + row * args->out_stride + head * args->head_dim;
}

template <typename T>
void LevelStep<T>::SetSeen(absl::Span<const SlotRange> seen, AttendArgs<T>* args) {
  args->first = seen[0];
  args->further = seen.data() + 1;
  args->further_count = static_cast<int64_t>(seen.size()) - 1;
}

template <typename T>
int64_t LevelStep<T>::UnitSlots(const LevelConfig& level) {
  const int64_t slots =
      std::max({level.block, level.leaf, 2 * level.summaries});
  return (slots + kChunk - 1) / kChunk * kChunk;
}

// Room for one head of one unit, in a thread's scratch behind the scores.
template <typename T>
CacheView LevelStep<T>::UnitCache(int l, CacheType type, T* scores) const {
  const LevelConfig& level = level_config(l);
  CacheView cache;
  cache.type = type;
  cache.value_bytes = CacheBytes(type, sizeof(T));
  cache.slots = UnitSlots(level);
  cache.head_dim = level.dim / level.heads;
  cache.keys = reinterpret_cast<uint8_t*>(scores + kQueryTile * score_stride_);
  cache.values = cache.keys + cache.slots * cache.head_dim * cache.value_bytes;
  return cache;
}

// Every item of a unit sees every other.
template <typename T>
void LevelStep<T>::AttendUnit(int l, int layer, int64_t unit, int head,
                              T* scores) {
  const LevelConfig& level = level_config(l);
  const CacheView cache = UnitCache(l, CacheType::kFull, scores);
  const ScoreTerm<T>* const term = model_->term(l, Stack::kEncoder, layer);
  const int64_t first = unit * level.block;
  for (int64_t r = 0; r < level.block; ++r) {
    RotateInto(l, first + r, head, cache, r, term);
  }
  AttendArgs<T> args = CacheArgs(l, cache, scores);
  args.first = {0, level.block};
  const SlotRun all = {0, 1, level.block, 0};
  for (int64_t r = first; r < first + level.block; ++r) {
    if (!scratch_[l].depth.Has(r)) continue;
    SetQuery(l, r, head, &args);
    if (term != nullptr) {
      FillTerms(*term, head, r - first, absl::MakeConstSpan(&all, 1), 1, &args);
    }
    model_->kernels().attend(args);
  }
}

// One learned query over the items of a unit; qkv rows hold [key, value].
template <typename T>
void LevelStep<T>::PoolUnit(int l, int64_t unit, int head, T* scores) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = level.dim / level.heads;
  const CacheView cache = UnitCache(l, CacheType::kFull, scores);
  for (int64_t r = 0; r < level.block; ++r) {
    const T* k = s.qkv.data() +
                 (unit * level.block + r) * PaddedWidth(3 * level.dim) +
                 head * width;
    CopyVector(l, {k, 1, k + level.dim, CacheType::kFull}, cache, r);
  }
  AttendArgs<T> args = CacheArgs(l, cache, scores);
  args.q = model_->weights().levels[l].pool_query.data() + head * width;
  args.first = {0, level.block};
  args.out = s.att.data() + unit * PaddedWidth(level.dim) + head * width;
  model_->kernels().attend(args);
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
