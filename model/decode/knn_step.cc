// LevelStep: a decoder layer with a memory of neighbours (model/nn/knn_memory.h). Its ring
// holds a window of turned keys, as any, and behind it those that have left the window,
// turned back and made as long as 1 in their slots when they leave it: so a query looks
// among them by products alone.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "model/decode/level_step.h"
#include "model/decode/probability.h"
#include "model/knn_rule.h"

namespace strata {
namespace {

template <typename T>
struct Candidate {
  T score;
  int64_t item;
  int64_t slot;
};

// Keeps the `count` best, of equal ones the newer, in order of slot. What is no number is
// no neighbour before any other.
template <typename T>
void KeepNearest(int64_t count, std::vector<Candidate<T>>* found) {
  const auto better = [](const Candidate<T>& a, const Candidate<T>& b) {
    return a.score != b.score ? a.score > b.score : a.item > b.item;
  };
  if (count < static_cast<int64_t>(found->size())) {
    std::nth_element(found->begin(), found->begin() + count, found->end(), better);
    found->resize(static_cast<size_t>(count));
  }
  std::sort(found->begin(), found->end(),
            [](const auto& a, const auto& b) { return a.slot < b.slot; });
}

// x [n] times `length` / |x|.
template <typename T>
void Lengthen(T length, int64_t n, T* x) {
  T squares = 0;
  for (int64_t d = 0; d < n; ++d) squares += x[d] * x[d];
  const T factor = length / std::sqrt(squares + T(kKnnEpsilon));
  for (int64_t d = 0; d < n; ++d) x[d] *= factor;
}

template <typename T>
std::vector<Candidate<T>>& Candidates() {
  thread_local std::vector<Candidate<T>> found;
  return found;
}

}  // namespace

// Once per stack: what its items see in the ring, and how those that leave the window
// were turned.
template <typename T>
void LevelStep<T>::PlanKnn(int l) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const ScopeSpec ring = KnnSpec(level);
  const TurnTable& turns = model_->rope(l);
  s.knn_window.Clear();
  s.knn_memory.Clear();
  for (const StackRow<CpuSequence<T>>& row : s.stack_rows) {
    for (int64_t j = 0; j < row.count; ++j) {
      const int64_t place = row.begin + j;
      s.knn_window.AddKeys(ring, {{}, LastItems(place, level.window)});
      s.knn_memory.AddKeys(ring, {{}, KnnCandidates(level, place)});
      if (place < level.window) continue;
      turns.Fill(place - level.window,
                 s.knn_rope.data() + (row.offset + j) * turns.width());
    }
  }
}

// Of the key that leaves the window with the item of a row, in its slot.
template <typename T>
void LevelStep<T>::LeaveWindow(int l, int64_t row, const CacheView& cache, int64_t slot,
                               T* key) {
  const int64_t width = level_config(l).dim / level_config(l).heads;
  const int64_t half = width / 2;
  const TurnTable& turns = model_->rope(l);
  const T* cosine =
      scratch_[l].knn_rope.data() + row * turns.width() + turns.key_offset();
  const T* sine = cosine + half;
  TakeKey(CachedVector(cache, slot), 0, width, key);
  for (int64_t m = 0; m < half; ++m) {
    const T scale = cosine[m] * cosine[m] + sine[m] * sine[m];
    const T k0 = key[m], k1 = key[m + half];
    key[m] = (k0 * cosine[m] + k1 * sine[m]) / scale;
    key[m + half] = (k1 * cosine[m] - k0 * sine[m]) / scale;
  }
  Lengthen(T(1), width, key);
  model_->kernels().put(key, width, cache.type, cache.KeyColumn(slot), kChunk);
}

// g of a row.
template <typename T>
T LevelStep<T>::KnnShare(int l, const KnnWeights<T>& w, int64_t row, int head) const {
  const int64_t dim = level_config(l).dim;
  const T* x = scratch_[l].norm.data() + row * PaddedWidth(dim);
  const bool told = !w.gate.empty();
  return Probability(told ? w.gate.data() + head * dim : nullptr, w.bias[head], x,
                     told ? dim : 0);
}

// `args`: as the window's attention had them, whose result is at `out`.
template <typename T>
void LevelStep<T>::LookUp(int l, int64_t row, T share, const T* query, T* near,
                          AttendArgs<T> args) {
  const SlotSight& memory = scratch_[l].knn_memory;
  T* const local = args.out;
  args.q = query;
  args.out = near;
  args.terms = nullptr;
  SetSeen(memory.ranges(row), &args);
  model_->kernels().score(args);
  const int64_t base = args.first.begin / kChunk * kChunk;
  std::vector<Candidate<T>>& found = Candidates<T>();
  found.clear();
  for (const SlotRun& run : memory.runs(row)) {
    for (int64_t n = 0; n < run.count; ++n) {
      const T score = args.scores[run.slot + n - base];
      found.push_back({std::isnan(score) ? -std::numeric_limits<T>::infinity() : score,
                       run.item + n, run.slot + n});
    }
  }
  KeepNearest(level_config(l).knn_neighbours, &found);
  thread_local std::vector<SlotRange> chosen;
  chosen.clear();
  for (const Candidate<T>& one : found) {
    if (chosen.empty() || chosen.back().end != one.slot) {
      chosen.push_back({one.slot, one.slot});
    }
    ++chosen.back().end;
  }
  SetSeen(chosen, &args);
  args.scores += args.first.begin / kChunk * kChunk - base;
  model_->kernels().mix(args);
  for (int64_t d = 0; d < args.head_dim; ++d) {
    local[d] = share * near[d] + (T(1) - share) * local[d];
  }
}

template <typename T>
void LevelStep<T>::AttendKnnHead(int l, const StackRow<CpuSequence<T>>& row, int layer,
                                 int head, int64_t first_query, T* scores) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const KnnWeights<T>& w = model_->weights().levels[l].dec[layer].knn;
  const ScoreTerm<T>* const term = model_->term(l, Stack::kDecoder, layer);
  const CacheView cache = row.sequence->HeadCache(l, Stack::kDecoder, layer, head);
  const ScopeSpec ring = KnnSpec(level);
  AttendArgs<T> args = CacheArgs(l, cache, scores);
  // Scores of one query at a time: the rest of their room is free.
  T* const vector = scores + score_stride_;
  T* const near = vector + score_stride_;
  for (int64_t j = 0; j < row.count; ++j) {
    const int64_t item = row.offset + j;
    const int64_t place = row.begin + j;
    const int64_t left = place - level.window;
    if (left >= 0) {
      LeaveWindow(l, item, cache, RuleOf(ring.scope).slot(ring, left, 1).slot, vector);
    }
    SetQuery(l, item, head, &args);
    std::copy_n(args.q, args.head_dim, vector);  // not turned yet
    RotateInto(l, item, head, cache, s.knn_window.slot(item), term);
    if (j < first_query || !s.depth.Has(item)) continue;
    const auto seen = See(s.knn_window, item, place, term, head, &args);
    if (term != nullptr) FillTerms(*term, head, place, seen, 1, &args);
    model_->kernels().attend(args);
    if (left < 0) continue;
    Lengthen(w.scale[head], args.head_dim, vector);
    LookUp(l, item, KnnShare(l, w, item, head), vector, near, args);
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
