// LevelStep: streams beside the decoder of bytes (model/nn/multirate_stack.h). They read
// nothing of it but what enters it, so all their layers run first, over the rows whose
// step makes an item of theirs; then the decoder takes up, layer by layer, what they made
// there or earlier, which their sequences keep.

#include <algorithm>

#include "model/decode/level_step.h"
#include "model/stream_levels.h"

namespace strata {

template <typename T>
void LevelStep<T>::PlanStreams() {
  for (size_t r = 0; r < streams().size(); ++r) {
    SetStreamRows<CpuSequence<T>>(streams()[r], scratch_[0],
                                  &scratch_[top() + 1 + r]);
  }
}

template <typename T>
bool LevelStep<T>::ReserveStreams() {
  if (streams().empty()) return true;
  LevelScratch<T>& base = scratch_[0];
  const LevelConfig& level = level_config(0);
  bool ok = base.merge_in.Reserve(base.items * PaddedWidth(MergeWidth(level))) &&
            base.merge_hidden.Reserve(base.items * PaddedWidth(MergeHidden(level)));
  for (size_t r = 0; r < streams().size(); ++r) {
    const int l = top() + 1 + static_cast<int>(r);
    LevelScratch<T>& s = scratch_[l];
    ok = ok &&
         s.entered.Reserve(s.items * PaddedWidth(streams()[r].rate * level.dim)) &&
         s.said.Reserve(level.dec_layers * s.items * PaddedWidth(level_config(l).dim));
  }
  return ok;
}

template <typename T>
int64_t LevelStep<T>::StreamPreparedBytes(const Product<T>& product) const {
  if (streams().empty()) return 0;
  const LevelConfig& base = level_config(0);
  int64_t most = scratch_[0].items * std::max(product.row_bytes(MergeWidth(base)),
                                              product.row_bytes(MergeHidden(base)));
  for (size_t r = 0; r < streams().size(); ++r) {
    most = std::max(most, scratch_[top() + 1 + r].items *
                              product.row_bytes(streams()[r].rate * base.dim));
  }
  return most;
}

// Before the decoder, whose entrance is in `x` of the base.
template <typename T>
void LevelStep<T>::RunStreams() {
  for (size_t r = 0; r < streams().size(); ++r) {
    const int l = top() + 1 + static_cast<int>(r);
    LevelScratch<T>& s = scratch_[l];
    if (s.items == 0) continue;
    CollectEntered(static_cast<int>(r));
    const LevelWeights<T>& w = model_->weights().levels[l];
    const int64_t width = PaddedWidth(level_config(l).dim);
    MatMul(s.entered.data(), PaddedWidth(w.compress.in), s.items, w.compress,
           s.norm.data(), width, Epilogue::kStore);
    Norm(l, s.norm.data(), s.items, w.norm, s.x.data());
    RunStack({l, Stack::kDecoder});
  }
  KeepEntered();
}

// Of each new item the last `rate` places up to its own, oldest first: of this step,
// kept ones, and zeros before the first.
template <typename T>
void LevelStep<T>::CollectEntered(int r) {
  const StreamConfig& stream = streams()[r];
  const LevelScratch<T>& base = scratch_[0];
  const int64_t dim = level_config(0).dim;
  const int64_t width = PaddedWidth(stream.rate * dim);
  T* to = scratch_[top() + 1 + r].entered.data();
  for (const LevelRow<CpuSequence<T>>& row : base.rows) {
    const int64_t first = row.begin + 1;
    const int64_t end = StreamItems(stream, first + row.count);
    for (int64_t item = StreamItems(stream, first); item < end; ++item, to += width) {
      const int64_t oldest = item * stream.stride - stream.rate + 1;
      for (int64_t i = 0; i < stream.rate; ++i) {
        const int64_t place = oldest + i;
        T* const at = to + i * dim;
        if (place < 0) {
          std::fill_n(at, dim, T(0));
          continue;
        }
        const T* const from =
            place < first
                ? row.sequence->Entered(0, place)
                : base.x.data() + (row.offset + place - first) * PaddedWidth(dim);
        std::copy_n(from, dim, at);
      }
    }
  }
}

// The last places of each row, for items to come.
template <typename T>
void LevelStep<T>::KeepEntered() {
  const LevelScratch<T>& base = scratch_[0];
  const int64_t dim = level_config(0).dim;
  const int64_t tail = StreamTail(level_config(0));
  for (const LevelRow<CpuSequence<T>>& row : base.rows) {
    for (int64_t j = std::max<int64_t>(0, row.count - tail); j < row.count; ++j) {
      std::copy_n(base.x.data() + (row.offset + j) * PaddedWidth(dim), dim,
                  row.sequence->Entered(0, row.begin + 1 + j));
    }
  }
}

template <typename T>
void LevelStep<T>::AfterLayer(const Job& job, int layer, T* x, int64_t m) {
  if (job.level > top()) {
    const int64_t width = PaddedWidth(level_config(job.level).dim);
    std::copy_n(x, m * width, scratch_[job.level].said.data() + layer * m * width);
  } else if (job.stack == Stack::kDecoder && !level_config(job.level).streams.empty()) {
    const bool last = layer + 1 == level_config(job.level).dec_layers;
    MergeStreams(layer, last, x, m);
  }
}

template <typename T>
void LevelStep<T>::MergeStreams(int layer, bool wanted_only, T* x, int64_t m) {
  LevelScratch<T>& s = scratch_[0];
  const LevelConfig& level = level_config(0);
  const MergeWeights<T>& w = model_->weights().levels[0].merges[layer];
  const int64_t dim = PaddedWidth(level.dim);
  const int64_t width = PaddedWidth(MergeWidth(level));
  const int64_t hidden = PaddedWidth(MergeHidden(level));
  T* const in = s.merge_in.data();
  for (int64_t i = 0; i < m; ++i) std::copy_n(x + i * dim, level.dim, in + i * width);
  T* to = in + level.dim;
  for (size_t r = 0; r < streams().size(); ++r) {
    GatherSaid(static_cast<int>(r), layer, wanted_only, to);
    to += streams()[r].dim;
  }
  model_->kernels().rms_norm(in, width, m, MergeWidth(level), w.norm.data(), in, width);
  T* const up = s.merge_hidden.data();
  MatMul(in, width, m, w.up, up, hidden, Epilogue::kStore);
  // silu(x) = sigmoid(x) x: a value is its own gate.
  GateArgs<T> args;
  args.gates = up;
  args.gates_stride = args.stride = hidden;
  args.n = MergeHidden(level);
  RunGate(args, up, up, m, model_->kernels().gate_reset);
  MatMul(up, hidden, m, w.down, x, dim, Epilogue::kAdd);
}

// Of the rows of the base, or the wanted ones, the newest item of a stream.
template <typename T>
void LevelStep<T>::GatherSaid(int r, int layer, bool wanted_only, T* to) {
  const StreamConfig& stream = streams()[r];
  const int l = top() + 1 + r;
  const LevelScratch<T>& s = scratch_[l];
  const int64_t dim = level_config(l).dim;
  const T* made = s.said.data() + layer * s.items * PaddedWidth(dim);
  for (const LevelRow<CpuSequence<T>>& row : scratch_[0].rows) {
    const int64_t first = row.begin + 1;
    const int64_t before = StreamItems(stream, first);
    for (int64_t j = wanted_only ? row.count - row.wanted : 0; j < row.count; ++j) {
      const int64_t item = (first + j) / stream.stride;
      const T* const from = item < before ? row.sequence->Said(l, layer)
                                          : made + (item - before) * PaddedWidth(dim);
      std::copy_n(from, dim, to);
      to += PaddedWidth(MergeWidth(level_config(0)));
    }
    made += (StreamItems(stream, first + row.count) - before) * PaddedWidth(dim);
  }
}

// The last item of each stream, for places to come.
template <typename T>
void LevelStep<T>::KeepSaid() {
  for (int l = top() + 1; l < model_->stacks(); ++l) {
    const LevelScratch<T>& s = scratch_[l];
    const int64_t dim = level_config(l).dim;
    for (int layer = 0; layer < level_config(l).dec_layers; ++layer) {
      for (const LevelRow<CpuSequence<T>>& row : s.rows) {
        const int64_t last = layer * s.items + row.offset + row.count - 1;
        std::copy_n(s.said.data() + last * PaddedWidth(dim), dim,
                    row.sequence->Said(l, layer));
      }
    }
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
