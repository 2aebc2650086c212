// LevelStep: the transformer layers of a level, and how their work is cut over
// threads. No cut changes a result: each output element and each
// (row, head) is computed by one thread in one order.

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/decode/level_step.h"
#include "model/knn_rule.h"

namespace strata {
namespace {

// Multiply-adds below which waking a helper costs more than it saves.
constexpr int64_t kParallelWork = 1 << 17;
constexpr int64_t kRowsPerTask = 48;

}  // namespace

template <typename T>
void LevelStep<T>::MatMul(const T* x, int64_t x_stride, int64_t m,
                          const PackedMatrix<T>& w, T* y, int64_t y_stride,
                          Epilogue epilogue, int64_t first) {
  const Product<T>& product =
      model_->kernels().products[static_cast<int>(w.type)];
  const int64_t panels = w.panels() - first;
  const bool alone = pool_->threads() == 1 || m * w.in * w.out < kParallelWork;
  const auto* rows = reinterpret_cast<const uint8_t*>(x);
  int64_t row_bytes = x_stride * static_cast<int64_t>(sizeof(T));
  if (product.prepare != nullptr) {
    row_bytes = product.row_bytes(w.in);
    rows = PrepareRows(product, x, x_stride, m, w.in, alone);
  }
  if (alone) {
    product.matmul(rows, row_bytes, m, w.data.data() + first * w.panel_bytes(), w.in,
                   panels, y + first * kPanel, y_stride, epilogue);
    return;
  }
  const int64_t cuts = (m + kRowsPerTask - 1) / kRowsPerTask;
  pool_->ParallelFor(panels * cuts, [&](int, int64_t task) {
    const int64_t p = first + task / cuts;
    const int64_t row = task % cuts * kRowsPerTask;
    product.matmul(rows + row * row_bytes, row_bytes,
                   std::min(kRowsPerTask, m - row),
                   w.data.data() + p * w.panel_bytes(), w.in, 1,
                   y + row * y_stride + p * kPanel, y_stride, epilogue);
  });
}

// Once for all panels.
template <typename T>
const uint8_t* LevelStep<T>::PrepareRows(const Product<T>& product, const T* x,
                                         int64_t x_stride, int64_t m, int64_t k,
                                         bool alone) {
  uint8_t* const rows = prepared_.data();
  const int64_t row_bytes = product.row_bytes(k);
  if (alone || m <= kRowsPerTask) {
    product.prepare(x, x_stride, m, k, rows);
    return rows;
  }
  const int64_t cuts = (m + kRowsPerTask - 1) / kRowsPerTask;
  pool_->ParallelFor(cuts, [&](int, int64_t task) {
    const int64_t row = task * kRowsPerTask;
    product.prepare(x + row * x_stride, x_stride, std::min(kRowsPerTask, m - row),
                    k, rows + row * row_bytes);
  });
  return rows;
}

template <typename T>
int64_t LevelStep<T>::PreparedBytes() const {
  const Product<T>& product =
      model_->kernels().products[static_cast<int>(model_->weight_type())];
  if (product.prepare == nullptr) return 0;
  int64_t most = StreamPreparedBytes(product);
  for (int l = 0; l < model_->stacks(); ++l) {
    const LevelScratch<T>& s = scratch_[l];
    const LevelConfig& level = level_config(l);
    const int64_t nodes = HasTree(l) ? s.growth.count() * level.summaries : 0;
    const int64_t n = std::max(
        {DecoderRows(level, s), s.units() * PoolItems(level), nodes});
    most = std::max(
        {most, n * product.row_bytes(std::max(1, level.ff_mult) * level.dim),
         s.units() * product.row_bytes(PoolWidth(level))});
  }
  return most;
}

template <typename T>
void LevelStep<T>::Norm(int l, const T* x, int64_t m,
                        const std::vector<T>& weight, T* y) {
  const int64_t dim = level_config(l).dim;
  const int64_t width = PaddedWidth(dim);
  model_->kernels().rms_norm(x, width, m, dim, weight.data(), y, width);
}

template <typename T>
void LevelStep<T>::ProjectQkv(int l, const LayerWeights<T>& w, const T* x,
                              int64_t m) {
  LevelScratch<T>& s = scratch_[l];
  const int64_t dim = level_config(l).dim;
  Norm(l, x, m, w.attn_norm, s.norm.data());
  // Who has stopped asks nothing: where all have, the panels of queries are left out.
  // Elsewhere one pass over the weights makes everyone's.
  const bool asks = s.depth.all || s.depth.count > 0;
  MatMul(s.norm.data(), PaddedWidth(dim), m, w.qkv, s.qkv.data(),
         PaddedWidth(3 * dim), Epilogue::kStore, asks ? 0 : dim / kPanel);
}

template <typename T>
void LevelStep<T>::ProjectOut(int l, const LayerWeights<T>& w, T* attended, T* fed,
                              int64_t m) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const int64_t width = PaddedWidth(level.dim);
  const int64_t hidden = PaddedWidth(level.ff_mult * level.dim);
  AddSublayer(l, w.attn_gate, s.att.data(), width, w.attn_out, attended, m);
  Norm(l, attended, m, w.ff_norm, s.norm.data());
  MatMul(s.norm.data(), width, m, w.up, s.ff.data(), hidden, Epilogue::kGelu);
  AddSublayer(l, w.ff_gate, s.ff.data(), hidden, w.down, fed, m);
}

template <typename T>
void LevelStep<T>::RunDecoder(int l) {
  const bool streamed = !level_config(l).streams.empty();
  if (streamed) RunStreams();
  RunStack({l, Stack::kDecoder});
  if (streamed) KeepSaid();
}

template <typename T>
void LevelStep<T>::RunStack(const Job& job) {
  LevelScratch<T>& s = scratch_[job.level];
  const bool decoder = job.stack == Stack::kDecoder;
  const LevelConfig& level = level_config(job.level);
  SetStackRows(level, job.stack, s, &s.stack_rows);
  s.stack_count = decoder ? DecoderRows(level, s) : s.items;
  if ((decoder ? level.dec_layers : level.enc_layers) == 0) {
    if (decoder) KeepWanted(job.level);
    return;
  }
  const int64_t width = PaddedWidth(level.dim);
  const ScopeSpec spec =
      decoder ? DecoderSpec(level) : SpecOf(level, level.enc_scope);
  const bool tree = decoder && HasTree(job.level);
  const bool slotted = RuleOf(spec.scope).slot != nullptr;
  // A tree's items are turned by their offset in the leaf.
  const int64_t leaf =
      tree ? level.leaf : std::numeric_limits<int64_t>::max();
  s.slots.Clear();
  for (const StackRow<CpuSequence<T>>& row : s.stack_rows) {
    for (int64_t j = 0; j < row.count; ++j) {
      const int64_t item = row.begin + j;
      FillRope(job.level, row.offset + j, item % leaf);
      AddEntrance(job.level, item, s.x.data() + (row.offset + j) * width);
      if (slotted) s.slots.Add(spec, item);
    }
  }
  if (decoder && HasKnn(level)) PlanKnn(job.level);
  RunLayers(job, s.x.data(), s.stack_count,
            [&](int run, bool last) { Attend(job, run, last); });
}

// Moves the wanted rows of x, of the second stream and of att to the front: in a prefill,
// whose logits nobody asks for, the last layer has only keys and values to compute.
template <typename T>
void LevelStep<T>::KeepWanted(int l) {
  LevelScratch<T>& s = scratch_[l];
  if (s.wanted == s.stack_count) return;
  const LevelConfig& level = level_config(l);
  const int64_t width = PaddedWidth(level.dim);
  int64_t to = 0;
  for (size_t i = 0; i < s.rows.size(); ++i) {
    const LevelRow<CpuSequence<T>>& row = s.rows[i];
    for (int64_t j = row.count - row.wanted; j < row.count; ++j, ++to) {
      const int64_t from = s.stack_rows[i].Of(level, row, j);
      for (AlignedBuffer<T>* rows : {&s.x, &s.second, &s.att}) {
        if (rows->data() == nullptr) continue;  // there is one stream
        std::copy_n(rows->data() + from * width, width,
                    rows->data() + to * width);
      }
    }
  }
}

// The bidirectional encoder runs once a block is complete, over its items.
template <typename T>
void LevelStep<T>::EncodeUnits(int l) {
  LevelScratch<T>& s = scratch_[l];
  const LevelConfig& level = level_config(l);
  const int64_t m = s.units() * level.block;
  for (const LevelRow<CpuSequence<T>>& row : s.rows) {
    const int64_t first = row.begin - row.open.items;
    for (int64_t j = 0; j < row.units * level.block; ++j) {
      const int64_t at = row.unit * level.block + j;
      FillRope(l, at, first + j);
      AddEntrance(l, first + j, s.units_x.data() + at * PaddedWidth(level.dim));
    }
  }
  RunLayers({l, Stack::kEncoder}, s.units_x.data(), m, [&](int run, bool) {
    pool_->ParallelFor(s.units() * level.heads, [&](int thread, int64_t task) {
      AttendUnit(l, run, task / level.heads, static_cast<int>(task % level.heads),
                 ThreadScratch(thread));
    });
  });
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
