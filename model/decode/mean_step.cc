// LevelStep: the means of items that leave a window (model/scope_compressive.cc). Keys
// are cached as their own items' places turn them, so each is turned on to the place of
// the run's last item before they are added, in order of item.

#include <algorithm>

#include "model/decode/level_step.h"

namespace strata {
namespace {

// Dimensions that are summed at a time.
constexpr int64_t kSumBlock = 64;

}  // namespace

template <typename T>
std::vector<T> LevelStep<T>::MeanTurns(const CpuModel<T>& model, int l) {
  const LevelConfig& level = model.config().levels[l];
  const int64_t width = level.dim / level.heads;
  std::vector<T> turns(static_cast<size_t>(level.memory_rate * width));
  for (int64_t steps = 0; steps < level.memory_rate; ++steps) {
    model.rope(l).FillFurther(steps, turns.data() + steps * width);
  }
  return turns;
}

// Dimensions [from, from + count) of both halves of the keys, and of twice as many of the
// values from 2 `from` on.
template <typename T>
void LevelStep<T>::SumRun(int l, const ScopeSpec& spec, int64_t first,
                          const CacheView& cache, int64_t from, int64_t count, T* low,
                          T* high, T* value) {
  const int64_t width = level_config(l).dim / level_config(l).heads;
  const int64_t half = width / 2;
  const auto slot_of = RuleOf(spec.scope).slot;
  T k0[kSumBlock], k1[kSumBlock], v[2 * kSumBlock];
  std::fill_n(low, count, T(0));
  std::fill_n(high, count, T(0));
  std::fill_n(value, 2 * count, T(0));
  for (int64_t r = 0; r < spec.rate; ++r) {
    const HeadVector item = CachedVector(cache, slot_of(spec, first + r, 1).slot);
    TakeKey(item, from, count, k0);
    TakeKey(item, from + half, count, k1);
    TakeValue(item, 2 * from, 2 * count, v);
    const T* cosine = mean_turns_[l].data() + (spec.rate - 1 - r) * width + from;
    const T* sine = cosine + half;
    for (int64_t m = 0; m < count; ++m) {
      low[m] += k0[m] * cosine[m] - k1[m] * sine[m];
      high[m] += k1[m] * cosine[m] + k0[m] * sine[m];
    }
    for (int64_t m = 0; m < 2 * count; ++m) value[m] += v[m];
  }
}

template <typename T>
void LevelStep<T>::PutMean(int l, const ScopeSpec& spec, int64_t item,
                           const CacheView& cache) {
  const int64_t first = item - spec.window;
  if (first < 0 || first % spec.rate != 0) return;
  const int64_t width = level_config(l).dim / level_config(l).heads;
  const int64_t half = width / 2;
  const int64_t slot =
      RuleOf(spec.scope).slot(spec, first + spec.rate - 1, spec.rate).slot;
  const int64_t column = kChunk * cache.value_bytes;
  const auto& put = model_->kernels().put;
  const T share = T(1) / static_cast<T>(spec.rate);
  T low[kSumBlock], high[kSumBlock], value[2 * kSumBlock];
  for (int64_t d = 0; d < half; d += kSumBlock) {
    const int64_t count = std::min(kSumBlock, half - d);
    SumRun(l, spec, first, cache, d, count, low, high, value);
    for (int64_t m = 0; m < count; ++m) low[m] *= share, high[m] *= share;
    for (int64_t m = 0; m < 2 * count; ++m) value[m] *= share;
    uint8_t* const key = cache.KeyColumn(slot);
    put(low, count, cache.type, key + d * column, kChunk);
    put(high, count, cache.type, key + (d + half) * column, kChunk);
    put(value, 2 * count, cache.type,
        cache.ValueRow(slot) + 2 * d * cache.value_bytes, 1);
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
