// LevelStep: the layers of a stack over its rows, and of a stack whose items may stop
// early (model/nn/halting_unit.h, exit_heads.h) those rows alone that still go on: the
// others leave keys and values in every layer, made of the state in which they stopped.
// No choice hangs on the batch: it is made of a row's own state, and a row's products are
// the same whichever rows they are computed with.

#include <algorithm>
#include <cmath>

#include "model/decode/level_step.h"
#include "model/decode/probability.h"
#include "model/stack_depth.h"

namespace strata {
namespace {

}  // namespace

template <typename T>
void LevelStep<T>::RunLayers(const Job& job, T* x, int64_t m, AttendRun attend) {
  const int l = job.level;
  LevelScratch<T>& s = scratch_[l];
  const bool decoder = job.stack == Stack::kDecoder;
  const LevelWeights<T>& w = model_->weights().levels[l];
  const std::vector<LayerWeights<T>>& layers = decoder ? w.dec : w.enc;
  const std::vector<T>& repeat = decoder ? w.dec_repeat : w.enc_repeat;
  const HaltingWeights<T>& halt = decoder ? w.dec_halt : w.enc_halt;
  const bool halts = !halt.weight.empty();
  const bool leaves = decoder && level_config(l).exits > 0;
  const int own = static_cast<int>(layers.size());
  const int runs = level_config(l).repeats * own;
  BeginDepth(l, m, halts || leaves);
  T* const read = BeginSecond(l, x, m);
  for (int i = 0; i < runs; ++i) {
    const LayerWeights<T>& layer = layers[i % own];
    if (i % own == 0) AddRepeat(l, repeat, i / own, x, m);
    if (i % own == 0 && read != x) AddRepeat(l, repeat, i / own, read, m);
    ProjectQkv(l, layer, read, m);
    const bool last = decoder && i + 1 == runs;
    attend(i, last);
    if (!halts && !leaves) {
      if (last) KeepWanted(l);
      ProjectOut(l, layer, x, read, last ? s.wanted : m);
      AfterLayer(job, i, x, last ? s.wanted : m);
      continue;
    }
    if (last) StopUnwanted(l);
    ProjectGoing(l, layer, x);
    if (leaves) LetItemsLeave(l, i, x);
    if (halts && (i + 1) % own == 0) HaltItems(l, halt, i + 1 == runs, x);
  }
  if (read != x) JoinSecond(l, x, decoder ? s.wanted : m);
  if (!halts && !leaves) return;
  if (halts) std::copy_n(s.depth.mean.data(), m * PaddedWidth(level_config(l).dim), x);
  s.depth.all = true;
  if (decoder) KeepWanted(l);
}

template <typename T>
T* LevelStep<T>::BeginSecond(int l, T* x, int64_t m) {
  if (level_config(l).gate != GateKind::kReversible) return x;
  T* const second = scratch_[l].second.data();
  std::copy_n(x, m * PaddedWidth(level_config(l).dim), second);
  return second;
}

template <typename T>
void LevelStep<T>::JoinSecond(int l, T* x, int64_t m) {
  const T* const second = scratch_[l].second.data();
  const int64_t values = m * PaddedWidth(level_config(l).dim);
  for (int64_t i = 0; i < values; ++i) x[i] = (x[i] + second[i]) / 2;
}

template <typename T>
void LevelStep<T>::BeginDepth(int l, int64_t m, bool stops) {
  GoingRows<T>& depth = scratch_[l].depth;
  depth.all = !stops;
  if (!stops) return;
  depth.count = m;
  std::fill_n(depth.going.data(), m, uint8_t{1});
  std::fill_n(depth.spent.data(), m, T(0));
  std::fill_n(depth.mean.data(), m * PaddedWidth(level_config(l).dim), T(0));
  for (int64_t row = 0; row < m; ++row) depth.rows.data()[row] = row;
}

// At the entrance of a repeat.
template <typename T>
void LevelStep<T>::AddRepeat(int l, const std::vector<T>& rows, int repeat, T* x,
                             int64_t m) {
  if (rows.empty()) return;
  const int64_t dim = level_config(l).dim;
  const T* row = rows.data() + repeat * dim;
  for (int64_t i = 0; i < m; ++i, x += PaddedWidth(dim)) {
    if (!scratch_[l].depth.Has(i)) continue;
    for (int64_t d = 0; d < dim; ++d) x[d] += row[d];
  }
}

// Of the last layer only the wanted contexts are needed, and all have left their keys
// and values.
template <typename T>
void LevelStep<T>::StopUnwanted(int l) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  for (size_t i = 0; i < s.rows.size(); ++i) {
    const LevelRow<CpuSequence<T>>& row = s.rows[i];
    const StackRow<CpuSequence<T>>& places = s.stack_rows[i];
    int64_t next = places.offset;
    for (int64_t j = row.count - row.wanted; j < row.count; ++j) {
      const int64_t wanted = places.Of(level, row, j);
      for (; next < wanted; ++next) s.depth.Stop(next);
      next = wanted + 1;
    }
    for (; next < places.offset + places.count; ++next) s.depth.Stop(next);
  }
  s.depth.Count();
}

// ProjectOut of the rows that go on, next to one another.
template <typename T>
void LevelStep<T>::ProjectGoing(int l, const LayerWeights<T>& w, T* x) {
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = PaddedWidth(level_config(l).dim);
  const GoingRows<T>& depth = s.depth;
  if (depth.count == 0) return;
  for (int64_t i = 0; i < depth.count; ++i) {
    const int64_t row = depth.rows.data()[i];
    std::copy_n(x + row * width, width, s.depth.x.data() + i * width);
    if (i != row) {
      std::copy_n(s.att.data() + row * width, width, s.att.data() + i * width);
    }
  }
  ProjectOut(l, w, s.depth.x.data(), s.depth.x.data(), depth.count);
  for (int64_t i = 0; i < depth.count; ++i) {
    std::copy_n(depth.x.data() + i * width, width,
                x + depth.rows.data()[i] * width);
  }
}

template <typename T>
void LevelStep<T>::HaltItems(int l, const HaltingWeights<T>& halt, bool last,
                             const T* x) {
  GoingRows<T>& depth = scratch_[l].depth;
  const int64_t dim = level_config(l).dim;
  const int64_t width = PaddedWidth(dim);
  for (int64_t i = 0; i < depth.count; ++i) {
    const int64_t row = depth.rows.data()[i];
    const T* state = x + row * width;
    const T p = Probability(halt.weight.data(), halt.bias, state, dim);
    T& spent = depth.spent.data()[row];
    const bool halts = last || spent + p > T(1 - kHaltingEpsilon);
    const T share = halts ? T(1) - spent : p;
    T* mean = depth.mean.data() + row * width;
    for (int64_t d = 0; d < dim; ++d) mean[d] += share * state[d];
    spent += p;
    if (halts) depth.Stop(row);
  }
  depth.Count();
}

template <typename T>
void LevelStep<T>::LetItemsLeave(int l, int run, const T* x) {
  GoingRows<T>& depth = scratch_[l].depth;
  const ExitWeights<T>& exits = model_->weights().levels[l].dec_exit;
  const int64_t dim = level_config(l).dim;
  const int64_t head = run + 1 - level_config(l).exits;
  if (head < 0 || head >= ExitRows(level_config(l))) return;
  for (int64_t i = 0; i < depth.count; ++i) {
    const int64_t row = depth.rows.data()[i];
    const T p = Probability(exits.weight.data() + head * dim, exits.bias[head],
                            x + row * PaddedWidth(dim), dim);
    if (p > exits.threshold) depth.Stop(row);
  }
  depth.Count();
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
