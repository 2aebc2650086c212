#pragma once
// Who feeds what at each level in one ragged step, and where units end: the
// same for every executor. The matrices of a level hold the items of all rows
// one after another. S: the executor's sequence, with `progress()` and
// `mutable_progress()`. Plain values.

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "model/decoder_places.h"
#include "model/items.h"
#include "model/model_config.h"
#include "model/stream_levels.h"
#include "model/unit_rule.h"

namespace strata {

// The two stacks of layers of a level.
enum class Stack { kEncoder, kDecoder };

// How far a sequence has come: items fed to each level, and the unit of each
// level that is not complete.
struct Progress {
  struct Level {
    int64_t items = 0;
    OpenUnit open;
  };
  std::vector<Level> levels;

  explicit Progress(const ModelConfig& config) : levels(config.levels.size()) {}
};

// A sequence's share of a level's batch: items [begin, begin + count) of that
// level, in the rows [offset, offset + count) of the level's matrices.
template <typename S>
struct LevelRow {
  S* sequence = nullptr;
  int64_t begin = 0;
  int64_t count = 0;
  int64_t offset = 0;
  OpenUnit open;      // before the first of them
  OpenUnit open_after;  // behind the last
  int64_t unit = 0;   // first of this row's completed units in the batch
  int64_t units = 0;  // units that these items complete
  // The last `wanted` contexts are needed: all of them above the byte level,
  // those with logits at it.
  int64_t wanted = 0;
};

template <typename S>
struct LevelBatch {
  std::vector<LevelRow<S>> rows;
  int64_t items = 0;  // of all rows
  int64_t wanted = 0;
  // Per completed unit, the item of its row that ends it, counted from `begin`.
  std::vector<int64_t> ends;

  // Keeps the memory.
  void Clear() {
    rows.clear();
    ends.clear();
    items = wanted = 0;
  }
  int64_t units() const { return static_cast<int64_t>(ends.size()); }
  // Whether a unit ends with item j of the row; `next` counts those before.
  bool EndsAt(const LevelRow<S>& row, int64_t j, int64_t next) const {
    return next < row.units && ends[row.unit + next] == j;
  }

  // As if item -1 had been fed: the decoder then sees u[0].
  void SetOrigin(S* sequence) {
    rows = {{sequence, -1, 1, 0, {}, {}, 0, 1, 1}};
    ends = {0};
    items = wanted = 1;
  }
};

// A sequence's share of a stack's batch: places [begin, begin + count) of it, in the
// rows [offset, offset + count) of its matrices. An encoder's places are its items.
template <typename S>
struct StackRow {
  S* sequence = nullptr;
  int64_t begin = 0;
  int64_t count = 0;
  int64_t offset = 0;
  int64_t first_wanted = 0;  // in [0, count]: none before it is

  // Of the decoder: where u of the item after item j of the level's row stands.
  int64_t Of(const LevelConfig& level, const LevelRow<S>& row, int64_t j) const {
    return offset + DecoderPlace(level, row.begin + 1 + j) - begin;
  }
};

// The number of the context of the level above that stands when a row of level l
// begins; -1 before the first.
template <typename S>
int64_t NewestContext(int l, const LevelRow<S>& row) {
  return row.begin < 0 ? -1 : row.sequence->progress().levels[l + 1].items;
}

// In the order of the batch's rows, in place of what `rows` held.
template <typename S>
void SetStackRows(const LevelConfig& level, Stack stack, const LevelBatch<S>& batch,
                  std::vector<StackRow<S>>* rows) {
  rows->clear();
  int64_t offset = 0;
  for (const LevelRow<S>& from : batch.rows) {
    StackRow<S> row{from.sequence, from.begin, from.count, offset, 0};
    if (stack == Stack::kDecoder) {
      row.begin = DecoderPlace(level, from.begin) + 1;
      row.count = DecoderPlace(level, from.begin + from.count) + 1 - row.begin;
      row.first_wanted =
          from.wanted == 0
              ? row.count
              : row.Of(level, from, from.count - from.wanted) - offset;
    }
    rows->push_back(row);
    offset += row.count;
  }
}

template <typename S>
std::vector<StackRow<S>> StackRows(const LevelConfig& level, Stack stack,
                                   const LevelBatch<S>& batch) {
  std::vector<StackRow<S>> rows;
  SetStackRows(level, stack, batch, &rows);
  return rows;
}

// Rows of the matrices of a decoder.
template <typename S>
int64_t DecoderRows(const LevelConfig& level, const LevelBatch<S>& batch) {
  return batch.items + batch.units() * PrefixItems(level);
}

// Adds one row of `count` items of bytes to the batches of every level that it reaches.
// `batch(l)` is the batch of level l; `takes(l, j, &open)` whether a unit ends with item j.
// Of the byte level `wanted` contexts are.
template <typename S, typename BatchOf, typename Takes>
void AddLevels(const ModelConfig& config, S* sequence, int64_t count,
               int64_t wanted, BatchOf batch, Takes takes) {
  const int top = static_cast<int>(config.levels.size()) - 1;
  for (int l = 0; l <= top && count > 0; ++l) {
    LevelBatch<S>& at = batch(l);
    const Progress::Level& before = sequence->progress().levels[l];
    LevelRow<S> row{sequence, before.items, count, at.items, before.open,
                    before.open, at.units(), 0, l == 0 ? wanted : count};
    if (l < top) {
      for (int64_t j = 0; j < count; ++j) {
        if (takes(l, j, &row.open_after)) at.ends.push_back(j);
      }
      row.units = at.units() - row.unit;
    }
    at.items += count;
    at.wanted += row.wanted;
    at.rows.push_back(row);
    count = row.units;
  }
}

// Of a stream beside the byte level's decoder, in place of what `batch` held: the rows
// whose items of bytes make items of the stream. As of a level: its item j stands at the
// place behind item j - 1.
template <typename S>
void SetStreamRows(const StreamConfig& stream, const LevelBatch<S>& bytes,
                   LevelBatch<S>* batch) {
  batch->Clear();
  for (const LevelRow<S>& row : bytes.rows) {
    // Item i of bytes is at place i + 1.
    const int64_t before = StreamItems(stream, row.begin + 1);
    const int64_t made = StreamItems(stream, row.begin + 1 + row.count) - before;
    if (made == 0) continue;
    batch->rows.push_back(
        {row.sequence, before - 1, made, batch->items, {}, {}, 0, 0, made});
    batch->items += made;
    batch->wanted += made;
  }
}

// Items of upper levels are pooled units: their values say nothing about where units
// end.
inline bool TakePooled(const LevelConfig& level, OpenUnit* open) {
  return TakeItem(level, Item{0}, open);
}

// Adds one fed row to the batches of every level that it reaches. Where a router
// decides, as if it wished to end a unit with every item: the most that there can be
// of each level, until Reroute says what there is.
template <typename S, typename BatchOf>
void AddRow(const ModelConfig& config, S* sequence,
            absl::Span<const Item> items, int64_t wanted, BatchOf batch) {
  AddLevels(config, sequence, static_cast<int64_t>(items.size()), wanted, batch,
            [&](int l, int64_t j, OpenUnit* open) {
              const LevelConfig& level = config.levels[l];
              if (l > 0) return TakePooled(level, open);
              return level.block_rule == BlockRule::kRouter
                         ? TakeRouted(level, true, open)
                         : TakeItem(level, items[j], open);
            });
}

// Once a router has decided: plans the byte level's rows, and the levels above, anew.
// `wished`: per row of the byte level's matrices.
template <typename S, typename BatchOf>
void Reroute(const ModelConfig& config, absl::Span<const uint8_t> wished,
             BatchOf batch) {
  const std::vector<LevelRow<S>> rows = std::move(batch(0).rows);
  for (size_t l = 0; l < config.levels.size(); ++l) batch(static_cast<int>(l)).Clear();
  for (const LevelRow<S>& row : rows) {
    AddLevels(config, row.sequence, row.count, row.wanted, batch,
              [&](int l, int64_t j, OpenUnit* open) {
                const LevelConfig& level = config.levels[l];
                return l > 0 ? TakePooled(level, open)
                             : TakeRouted(level, wished[row.offset + j] != 0, open);
              });
  }
}

// Once the rows of a level are computed, their sequences are so much further.
template <typename S>
void AdvanceProgress(int level, const LevelBatch<S>& batch) {
  for (const LevelRow<S>& row : batch.rows) {
    row.sequence->mutable_progress()->levels[level] = {row.begin + row.count,
                                                       row.open_after};
  }
}

}  // namespace strata
