#include "model/decode/level_step.h"

#include <algorithm>

#include "absl/status/status.h"
#include "model/base/status_macros.h"
#include "model/decode/step_check.h"
#include "model/knn_rule.h"

namespace strata {

template <typename T>
LevelStep<T>::LevelStep(const CpuModel<T>* model, ThreadPool* pool)
    : model_(model), pool_(pool), scratch_(model->stacks()) {
  for (int l = 0; l <= top(); ++l) mean_turns_.push_back(MeanTurns(*model, l));
}

template <typename T>
absl::Status LevelStep<T>::Run(absl::Span<const FeedRow<T>> rows) {
  Plan(rows);
  STRATA_RETURN_IF_ERROR(Reserve());
  for (const FeedRow<T>& row : rows) {
    row.sequence->rewind()->Save(*row.sequence, row.items, row.drafts);
  }
  Embed(rows);
  Advance(0);
  KeepContexts(rows);
  WriteHidden(rows);
  WriteLogits(rows);
  for (int l = 0; l <= top(); ++l) {
    AdvanceProgress<CpuSequence<T>>(l, scratch_[l]);
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status LevelStep<T>::Prime(CpuSequence<T>* sequence) {
  for (LevelScratch<T>& s : scratch_) {
    s.SetOrigin(sequence);
  }
  PlanStreams();
  STRATA_RETURN_IF_ERROR(Reserve());
  for (int l = top(); l >= 0; --l) {
    LevelScratch<T>& s = scratch_[l];
    const LevelWeights<T>& w = model_->weights().levels[l];
    const int64_t dim = level_config(l).dim;
    std::copy_n(w.start.data(), dim, s.x.data());
    if (l < top()) {
      const LevelScratch<T>& above = scratch_[l + 1];
      MatMul(above.norm.data(), PaddedWidth(level_config(l + 1).dim), 1, w.bridge,
             s.bridge.data(), PaddedWidth(BridgeRows(level_config(l)) * dim),
             Epilogue::kStore);
      if (level_config(l).bridge == BridgeKind::kPrefix) {
        AddPrefixes(l);
      } else {
        AddContexts(l);
      }
    }
    RunDecoder(l);
    Norm(l, s.x.data(), 1, w.norm, s.norm.data());
  }
  *sequence->mutable_progress() = Progress(model_->config());
  return absl::OkStatus();
}

template <typename T>
void LevelStep<T>::Plan(absl::Span<const FeedRow<T>> rows) {
  for (LevelScratch<T>& s : scratch_) s.Clear();
  for (const FeedRow<T>& row : rows) {
    AddRow(model_->config(), row.sequence, row.items,
           WantedItems(row.logits.size(), row.hidden.size(), model_->config()),
           [this](int l) -> LevelBatch<CpuSequence<T>>& { return scratch_[l]; });
  }
  PlanStreams();
}

template <typename T>
absl::Status LevelStep<T>::Reserve() {
  bool ok = true;
  int64_t longest = kChunk;
  int64_t unit_values = 0;
  for (int l = 0; l < model_->stacks(); ++l) {
    LevelScratch<T>& s = scratch_[l];
    const LevelConfig& level = level_config(l);
    const int64_t dim = PaddedWidth(level.dim);
    const int64_t unit_rows = s.units() * PoolItems(level);
    const int64_t decoded = DecoderRows(level, s);
    const int64_t n = std::max(decoded, unit_rows);
    const bool two = level.gate == GateKind::kReversible;
    ok = ok && s.x.Reserve(decoded * dim) && s.norm.Reserve(n * dim) &&
         s.second.Reserve(two ? n * dim : 0) &&
         s.qkv.Reserve(n * PaddedWidth(3 * level.dim)) &&
         s.att.Reserve(n * dim) &&
         s.ff.Reserve(n * PaddedWidth(level.ff_mult * level.dim)) &&
         s.rope.Reserve(n * model_->rope(l).width()) &&
         s.knn_rope.Reserve(HasKnn(level) ? n * model_->rope(l).width() : 0) &&
         s.units_x.Reserve(unit_rows * dim) &&
         s.bridge.Reserve(s.units() * PaddedWidth(BridgeRows(level) * level.dim)) &&
         s.depth.Reserve(level.ponder > 0 || level.exits > 0 ? n : 0, dim);
    for (const LevelRow<CpuSequence<T>>& row : s.rows) {
      for (const Stack stack : {Stack::kEncoder, Stack::kDecoder}) {
        longest = std::max(longest, row.sequence->HeadCache(l, stack, 0, 0).slots);
      }
      if (!HasKnn(level)) continue;
      longest = std::max(
          longest, row.sequence->HeadCache(l, Stack::kDecoder, KnnRun(level), 0).slots);
    }
    if (HasTree(l)) {
      PlanTree(l);
      ok = ok && ReserveTree(l);
    }
    const int64_t slots = UnitSlots(level);
    // Of a scope that keeps sums, the features of a tile.
    const int64_t features = 2 * (level.dim / level.heads);
    longest = std::max({longest, slots, BridgeSlots(level), features});
    unit_values =
        std::max(unit_values, 2 * slots * (level.dim / level.heads));
  }
  score_stride_ = longest;
  terms_offset_ = kQueryTile * longest + unit_values;
  thread_stride_ = PaddedWidth(terms_offset_ + TermValues(longest));
  ok = ok && ReserveStreams() &&
       logits_.Reserve(scratch_[0].wanted *
                       PaddedWidth(model_->config().vocab)) &&
       thread_scratch_.Reserve(pool_->threads() * thread_stride_) &&
       prepared_.Reserve(PreparedBytes());
  if (ok) return absl::OkStatus();
  return absl::ResourceExhaustedError("no memory for the scratch of a step");
}

template <typename T>
void LevelStep<T>::Embed(absl::Span<const FeedRow<T>> rows) {
  const int64_t dim = level_config(0).dim;
  T* x = scratch_[0].x.data();
  for (const FeedRow<T>& row : rows) {
    for (const Item item : row.items) {
      std::copy_n(model_->weights().embedding.data() + item * dim, dim, x);
      x += PaddedWidth(dim);
    }
  }
}

template <typename T>
void LevelStep<T>::Advance(int l) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const bool bidirectional = level.enc_scope == Scope::kBidirBlock;
  if (level.enc_layers > 0 && !bidirectional) {
    RunStack({l, Stack::kEncoder});
  }
  const bool routed = RouterItems(level) > 0;
  if (routed) Route(l);
  if (l < top()) {
    CollectUnits(l);
    if (s.units() > 0) {
      if (level.enc_layers > 0 && bidirectional) EncodeUnits(l);
      PoolUnits(l);
      Advance(l + 1);
      MatMul(scratch_[l + 1].norm.data(), PaddedWidth(level_config(l + 1).dim),
             s.units(), model_->weights().levels[l].bridge, s.bridge.data(),
             PaddedWidth(BridgeRows(level) * level.dim), Epilogue::kStore);
      if (routed) SmoothContexts(l);
    }
    if (level.bridge == BridgeKind::kPrefix) {
      AddPrefixes(l);
    } else {
      AddContexts(l);
    }
  }
  RunDecoder(l);
  Norm(l, s.x.data(), s.wanted, model_->weights().levels[l].norm,
       s.norm.data());
}

// Items enter the pool buffer; a full buffer is a unit of the batch. Of a ragged
// unit the pool reads the last item alone, and nothing is buffered.
template <typename T>
void LevelStep<T>::CollectUnits(int l) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = PaddedWidth(level.dim);
  const bool buffered = BufferedItems(level) > 0;
  T* unit = s.units_x.data();
  for (const LevelRow<CpuSequence<T>>& row : s.rows) {
    T* buffer = row.sequence->PoolBuffer(l);
    int64_t r = row.open.items;
    int64_t ended = 0;
    for (int64_t j = 0; j < row.count; ++j) {
      const T* x = s.x.data() + (row.offset + j) * width;
      if (buffered) std::copy_n(x, level.dim, buffer + r++ * level.dim);
      if (!s.EndsAt(row, j, ended)) continue;
      ++ended;
      r = 0;
      for (int64_t i = 0; i < PoolItems(level); ++i, unit += width) {
        std::copy_n(buffered ? buffer + i * level.dim : x, level.dim, unit);
      }
    }
  }
}

// u[i + 1] = skip[i] + bridge(o of the unit of item i + 1)[its offset in it], or
// the one row of a bridge that repeats; the newest contexts stay in the sequence.
template <typename T>
void LevelStep<T>::AddContexts(int l) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t width = PaddedWidth(level.dim);
  const int64_t rows_each = BridgeRows(level);
  const int64_t bridge_width = PaddedWidth(rows_each * level.dim);
  for (const LevelRow<CpuSequence<T>>& row : s.rows) {
    const T* context = row.sequence->Context(l);
    int64_t r = row.open.items;
    int64_t ended = 0;
    for (int64_t j = 0; j < row.count; ++j) {
      ++r;
      if (s.EndsAt(row, j, ended)) {
        context = s.bridge.data() + (row.unit + ended++) * bridge_width;
        r = 0;
      }
      T* x = s.x.data() + (row.offset + j) * width;
      const T* c = context + r % rows_each * level.dim;
      for (int64_t d = 0; d < level.dim; ++d) x[d] += c[d];
    }
    if (row.units > 0) {
      std::copy_n(context, ContextRows(level) * level.dim, row.sequence->Context(l));
    }
  }
  if (level.bridge == BridgeKind::kAttention) AttendContexts(l);
}

template <typename T>
void LevelStep<T>::WriteHidden(absl::Span<const FeedRow<T>> rows) {
  const LevelScratch<T>& s = scratch_[0];
  const int64_t dim = level_config(0).dim;
  const T* from = s.norm.data();
  for (size_t i = 0; i < rows.size(); ++i) {
    T* to = rows[i].hidden.data();
    for (int64_t j = 0; j < s.rows[i].wanted; ++j, from += PaddedWidth(dim)) {
      if (!rows[i].hidden.empty()) to = std::copy_n(from, dim, to);
    }
  }
}

// The head computes a row of every wanted context, also where a step asks for
// nothing but what goes into it for some of them.
template <typename T>
void LevelStep<T>::WriteLogits(absl::Span<const FeedRow<T>> rows) {
  const LevelScratch<T>& s = scratch_[0];
  const auto asks = [](const FeedRow<T>& row) { return !row.logits.empty(); };
  if (std::none_of(rows.begin(), rows.end(), asks)) return;
  const int64_t vocab = model_->config().vocab;
  MatMul(s.norm.data(), PaddedWidth(level_config(0).dim), s.wanted,
         model_->weights().head, logits_.data(), PaddedWidth(vocab),
         Epilogue::kStore);
  const T* from = logits_.data();
  for (size_t i = 0; i < rows.size(); ++i) {
    T* to = rows[i].logits.data();
    for (int64_t j = 0; j < s.rows[i].wanted; ++j, from += PaddedWidth(vocab)) {
      if (asks(rows[i])) to = std::copy_n(from, vocab, to);
    }
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
