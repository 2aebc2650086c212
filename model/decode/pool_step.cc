// LevelStep: from the items of complete units to the items of the level above,
// by the rules of model/nn/pooling_layer.h.

#include <algorithm>

#include "model/decode/level_step.h"

namespace strata {

// p = W_out mix(norm(h) of each unit).
template <typename T>
void LevelStep<T>::PoolUnits(int l) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const LevelWeights<T>& w = model_->weights().levels[l];
  Norm(l, s.units_x.data(), s.units() * PoolItems(level), w.pool_norm, s.norm.data());
  switch (level.pool) {
    case PoolKind::kAttention:
      MixAttention(l);
      break;
    case PoolKind::kMean:
      MixMean(l);
      break;
    case PoolKind::kLast:
      MixLast(l);
      break;
    case PoolKind::kConcat:
      MixConcat(l);
      break;
  }
  MatMul(s.att.data(), PaddedWidth(PoolWidth(level)), s.units(), w.pool_out,
         scratch_[l + 1].x.data(), PaddedWidth(level_config(l + 1).dim),
         Epilogue::kStore);
}

// softmax(query k) v over g = norm + offset.
template <typename T>
void LevelStep<T>::MixAttention(int l) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const LevelWeights<T>& w = model_->weights().levels[l];
  const int64_t m = s.units() * PoolItems(level);
  const int64_t width = PaddedWidth(level.dim);
  for (int64_t i = 0; i < m; ++i) {
    T* g = s.norm.data() + i * width;
    const T* offset = w.pool_offset.data() + i % level.block * level.dim;
    for (int64_t d = 0; d < level.dim; ++d) g[d] += offset[d];
  }
  MatMul(s.norm.data(), width, m, w.pool_kv, s.qkv.data(),
         PaddedWidth(3 * level.dim), Epilogue::kStore);
  pool_->ParallelFor(s.units() * level.heads, [&](int thread, int64_t task) {
    PoolUnit(l, task / level.heads, static_cast<int>(task % level.heads),
             ThreadScratch(thread));
  });
}

template <typename T>
void LevelStep<T>::MixMean(int l) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const int64_t width = PaddedWidth(level.dim);
  const T share = T(1) / static_cast<T>(level.block);
  for (int64_t unit = 0; unit < s.units(); ++unit) {
    const T* g = s.norm.data() + unit * level.block * width;
    T* mean = s.att.data() + unit * width;
    std::copy_n(g, level.dim, mean);
    for (int64_t r = 1; r < level.block; ++r) {
      for (int64_t d = 0; d < level.dim; ++d) mean[d] += g[r * width + d];
    }
    for (int64_t d = 0; d < level.dim; ++d) mean[d] *= share;
  }
}

template <typename T>
void LevelStep<T>::MixLast(int l) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const int64_t width = PaddedWidth(level.dim);
  for (int64_t unit = 0; unit < s.units(); ++unit) {
    std::copy_n(
        s.norm.data() + (unit * PoolItems(level) + PoolItems(level) - 1) * width,
        level.dim, s.att.data() + unit * width);
  }
}

template <typename T>
void LevelStep<T>::MixConcat(int l) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const int64_t width = PaddedWidth(level.dim);
  const int64_t joined = PaddedWidth(PoolWidth(level));
  for (int64_t i = 0; i < s.units() * PoolItems(level); ++i) {
    std::copy_n(s.norm.data() + i * width, level.dim,
                s.att.data() + i / level.block * joined +
                    i % level.block * level.dim);
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
