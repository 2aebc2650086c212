// LevelStep: attention of a scope that keeps sums of features in place of keys
// (model/nn/linear_attention.h has the formula).

#include <algorithm>

#include "model/decode/level_step.h"

namespace strata {

// Query and key of one head, in place. Features are of what is turned, not scaled.
template <typename T>
void LevelStep<T>::TurnHead(int l, int64_t row, int head) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = level.dim / level.heads;
  const int64_t half = width / 2;
  const T* cosine = s.rope.data() + row * model_->rope(l).width();
  const T* sine = cosine + half;
  T* x = s.qkv.data() + row * PaddedWidth(3 * level.dim) + head * width;
  for (int part = 0; part < 2; ++part, x += level.dim) {
    for (int64_t m = 0; m < half; ++m) {
      const T x0 = x[m], x1 = x[m + half];
      x[m] = x0 * cosine[m] - x1 * sine[m];
      x[m + half] = x1 * cosine[m] + x0 * sine[m];
    }
  }
}

template <typename T>
void LevelStep<T>::AttendSumsHead(const Job& job,
                                  const StackRow<CpuSequence<T>>& row, int layer,
                                  int head, int64_t first_query, T* scratch) {
  const int l = job.level;
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = level.dim / level.heads;
  SumArgs<T> args;
  args.stride = PaddedWidth(3 * level.dim);
  args.q = s.qkv.data() + row.offset * args.stride + head * width;
  args.k = args.q + level.dim;
  args.v = args.k + level.dim;
  args.head_dim = width;
  args.sums = row.sequence->Sums(l, job.stack, layer) + head * width;
  args.sums_stride = level.dim;
  args.features = scratch;
  for (int64_t j = 0; j < row.count; ++j) TurnHead(l, row.offset + j, head);
  if (row.begin == 0) {
    for (int64_t f = 0; f <= width; ++f) {
      std::fill_n(args.sums + f * args.sums_stride, width, T(0));
    }
  }
  args.count = first_query;
  if (first_query > 0) model_->kernels().attend_sums(args);
  args.q += first_query * args.stride;
  args.k += first_query * args.stride;
  args.v += first_query * args.stride;
  args.count = row.count - first_query;
  args.out_stride = PaddedWidth(level.dim);
  args.out = s.att.data() + (row.offset + first_query) * args.out_stride + head * width;
  if (args.count > 0) model_->kernels().attend_sums(args);
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
