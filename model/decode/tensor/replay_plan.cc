#include "model/decode/tensor/replay_plan.h"

#include <algorithm>

#include "model/decode/tensor/cached_row.h"
#include "model/decoder_places.h"
#include "model/scope_rule.h"

namespace strata {

ReplayPlan::ReplayPlan(const ModelConfig& config, int l)
    : level_(config.levels[l]),
      below_(l > 0 ? config.levels[l - 1] : LevelConfig()),
      number_(l) {
  TakeStack(Stack::kEncoder, EncoderRuns(level_));
  TakeStack(Stack::kDecoder, DecoderRuns(level_));
  if (l + 1 < static_cast<int>(config.levels.size())) {
    buffer_ = Take(BufferedItems(level_) > 0 ? 1 : 0);
    context_ = Take(1);
    bridge_keys_ = Take(level_.bridge_window);
    bridge_values_ = Take(level_.bridge_window);
    bridge_seen_ = Take(level_.bridge_window);
  }
  if (l == 0) return;
  units_ = Take(PoolItems(below_));
  contexts_ = Take(ContextRows(below_));
  bridged_ = Take(BridgeSlots(below_) > 0 ? 2 : 0);
}

ReplayPlan::Part ReplayPlan::Take(int64_t width) {
  const Part part{width_, width};
  width_ += width;
  return part;
}

void ReplayPlan::TakeStack(Stack stack, int runs) {
  if (runs == 0) return;
  StackParts& parts = stacks_[static_cast<int>(stack)];
  for (Part* part : {&parts.position, &parts.write, &parts.slots}) *part = Take(1);
  for (Part* part : {&parts.begin, &parts.end, &parts.row, &parts.item, &parts.step}) {
    *part = Take(kRuns);
  }
}

void ReplayPlan::Reset(int64_t rows) {
  rows_ = rows;
  numbers_.assign(width_ * rows, 0);
  longest_[0] = longest_[1] = 0;
  for (const Part& part : {stacks_[0].write, stacks_[1].write, buffer_, contexts_, bridged_}) {
    const auto first = numbers_.begin() + part.offset * rows;
    std::fill(first, first + part.width * rows, kNobodysRow);
  }
}

bool ReplayPlan::Fill(const LevelBatch<TensorSequence>& batch,
                      const LevelBatch<TensorSequence>* below) {
  for (const Stack s : {Stack::kEncoder, Stack::kDecoder}) {
    if (stack(s).position.width > 0 && !FillStack(s, batch)) return false;
  }
  for (size_t i = 0; context_.width > 0 && i < batch.rows.size(); ++i) {
    FillContext(batch, static_cast<int64_t>(i));
  }
  if (below == nullptr) return true;
  for (size_t i = 0; i < below->rows.size(); ++i) {
    if (below->rows[i].units > 0) {
      FillUnit(*below, static_cast<int64_t>(i), below->rows[i].unit);
    }
  }
  return true;
}

bool ReplayPlan::FillStack(Stack stack, const LevelBatch<TensorSequence>& batch) {
  const bool encodes = stack == Stack::kEncoder;
  const ScopeSpec spec =
      encodes ? SpecOf(level_, level_.enc_scope) : DecoderSpec(level_);
  const StackParts& parts = stacks_[static_cast<int>(stack)];
  int64_t row = 0;
  for (const auto& from : StackRows(level_, stack, batch)) {
    const TensorSequence::Place& place = from.sequence->place(number_);
    const int64_t cache = encodes ? place.encoder : place.decoder;
    At(parts.position, row) = from.begin;
    At(parts.write, row) = cache + RuleOf(spec.scope).slot(spec, from.begin, 1).slot;
    At(parts.slots, row) = encodes ? place.enc_slots : place.dec_slots;
    if (!FillRuns(stack, spec, from, cache, row)) return false;
    ++row;
  }
  return true;
}

bool ReplayPlan::FillRuns(Stack stack, const ScopeSpec& spec,
                          const StackRow<TensorSequence>& from, int64_t cache,
                          int64_t row) {
  std::vector<SlotRun> found;
  for (const KeyRun& keys : CachedKeys(spec, from.begin, from.begin)) {
    AddSlotRuns(spec, keys, &found);
  }
  if (found.size() > kRuns) return false;
  const StackParts& parts = stacks_[static_cast<int>(stack)];
  int64_t column = 0;
  for (size_t r = 0; r < found.size(); ++r) {
    const auto i = static_cast<int64_t>(r);
    At(parts.begin, row, i) = column;
    At(parts.end, row, i) = column + found[r].count;
    At(parts.row, row, i) = cache + found[r].slot - column;
    At(parts.item, row, i) = found[r].item - column * found[r].step;
    At(parts.step, row, i) = found[r].step;
    column += found[r].count;
  }
  int64_t& longest = longest_[static_cast<int>(stack)];
  longest = std::max(longest, column);
  return true;
}

// The new context, where the row completes a unit, is in the pool by then.
void ReplayPlan::FillContext(const LevelBatch<TensorSequence>& batch, int64_t row) {
  const auto& from = batch.rows[row];
  const TensorSequence::Place& place = from.sequence->place(number_);
  if (buffer_.width > 0) At(buffer_, row) = place.pool + from.open.items;
  const int64_t offset = from.units > 0 ? 0 : from.open.items + 1;
  At(context_, row) = place.context + offset % BridgeRows(level_);
  const int64_t newest = bridge_seen_.width > 0 ? NewestContext(number_, from) + from.units : 0;
  for (int64_t i = 0; i < bridge_seen_.width; ++i) {
    const int64_t context = newest - (bridge_seen_.width - 1 - i);
    if (context < 0) continue;
    const int64_t at = place.bridge + BridgeSlot(level_, context);
    At(bridge_keys_, row, i) = at;
    At(bridge_values_, row, i) = at + BridgeSlots(level_);
    At(bridge_seen_, row, i) = 1;
  }
}

void ReplayPlan::FillUnit(const LevelBatch<TensorSequence>& below, int64_t row,
                          int64_t unit) {
  const auto& from = below.rows[row];
  const TensorSequence::Place& place = from.sequence->place(number_ - 1);
  const bool buffered = BufferedItems(below_) > 0;
  for (int64_t i = 0; i < units_.width; ++i) {
    At(units_, unit, i) = buffered ? place.pool + i : row;
  }
  for (int64_t i = 0; i < contexts_.width; ++i) {
    At(contexts_, unit, i) = place.context + i;
  }
  if (bridged_.width == 0) return;
  const int64_t made = NewestContext(number_ - 1, from) + 1;
  const int64_t at = place.bridge + BridgeSlot(below_, made);
  At(bridged_, unit, 0) = at;
  At(bridged_, unit, 1) = at + BridgeSlots(below_);
}

}  // namespace strata
