// LevelStep: items attend to the newest contexts of the level above, where the bridge
// says so (model/nn/bridge_attention.h has the formula).

#include <cmath>

#include "model/decode/level_step.h"

namespace strata {

template <typename T>
void LevelStep<T>::AttendContexts(int l) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const BridgeAttentionWeights<T>& w = model_->weights().levels[l].bridge_attention;
  const int64_t width = PaddedWidth(level.dim);
  s.slots.Clear();
  for (const LevelRow<CpuSequence<T>>& row : s.rows) {
    int64_t ended = 0;
    for (int64_t j = 0; j < row.count; ++j) {
      if (s.EndsAt(row, j, ended)) ++ended;
      s.slots.Add(BridgeSpec(level), NewestContext(l, row) + ended);
    }
  }
  Norm(l, s.x.data(), s.items, w.norm, s.norm.data());
  MatMul(s.norm.data(), width, s.items, w.query, s.qkv.data(),
         PaddedWidth(3 * level.dim), Epilogue::kStore);
  pool_->ParallelFor(static_cast<int64_t>(s.rows.size()) * level.heads,
                     [&](int thread, int64_t task) {
    AttendContextsHead(l, s.rows[task / level.heads],
                       static_cast<int>(task % level.heads), ThreadScratch(thread));
  });
  MatMul(s.att.data(), width, s.items, w.out, s.x.data(), width, Epilogue::kAdd);
}

// A context is written when its block begins, then the block's items attend.
template <typename T>
void LevelStep<T>::AttendContextsHead(int l, const LevelRow<CpuSequence<T>>& row,
                                      int head, T* scores) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const int64_t width = level.dim / level.heads;
  const int64_t said = PaddedWidth(BridgeRows(level) * level.dim);
  const CacheView cache = row.sequence->BridgeCache(l, head);
  const T scale = T(1) / std::sqrt(static_cast<T>(width));
  AttendArgs<T> args = CacheArgs(l, cache, scores);
  int64_t ended = 0;
  for (int64_t j = 0; j < row.count; ++j) {
    const int64_t item = row.offset + j;
    if (s.EndsAt(row, j, ended)) {
      const T* key = s.bridge.data() + (row.unit + ended++) * said +
                     level.block * level.dim + head * width;
      CopyVector(l, {key, 1, key + level.dim, CacheType::kFull}, cache, s.slots.slot(item));
    }
    T* q = s.qkv.data() + item * args.q_stride + head * width;
    for (int64_t d = 0; d < width; ++d) q[d] *= scale;
    SetQuery(l, item, head, &args);
    SetSeen(s.slots.ranges(item), &args);
    FillBridgeBias(l, head, NewestContext(l, row) + ended, s.slots.runs(item), &args);
    model_->kernels().attend(args);
  }
}

template <typename T>
void LevelStep<T>::FillBridgeBias(int l, int head, int64_t context,
                                  absl::Span<const SlotRun> seen,
                                  AttendArgs<T>* args) {
  const T* bias = model_->weights().levels[l].bridge_attention.bias.data() +
                  head * level_config(l).bridge_window;
  T* const terms = args->scores + terms_offset_;
  for (const SlotRun& run : seen) {
    for (int64_t n = 0; n < run.count; ++n) {
      terms[run.slot + n] = bias[context - run.item - n];
    }
  }
  args->terms = terms;
  args->rule = ScoreRule::kAdd;
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
