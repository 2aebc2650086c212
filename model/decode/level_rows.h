#pragma once
// Who feeds what at each level in one ragged step: the same for every executor.
// The matrices of a level hold the items of all rows one after another.
// S: the executor's sequence. Plain values.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/items.h"
#include "model/model_config.h"

namespace strata {

// The two stacks of layers of a level.
enum class Stack { kEncoder, kDecoder };

// A sequence's share of a level's batch: items [begin, begin + count) of that
// level, in the rows [offset, offset + count) of the level's matrices.
template <typename S>
struct LevelRow {
  S* sequence = nullptr;
  int64_t begin = 0;
  int64_t count = 0;
  int64_t offset = 0;
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
  int64_t units = 0;
  int64_t wanted = 0;

  // As if item -1 had been fed: the decoder then sees u[0].
  void SetOrigin(S* sequence) {
    rows = {{sequence, -1, 1, 0, 0, 1, 1}};
    items = units = wanted = 1;
  }
};

// Adds one fed row to the batches of every level that it reaches. `batch(l)` is
// the batch of level l.
template <typename S, typename BatchOf>
void AddRow(const ModelConfig& config, S* sequence, int64_t items,
            int64_t wanted, BatchOf batch) {
  const int top = static_cast<int>(config.levels.size()) - 1;
  int64_t begin = sequence->size();
  int64_t count = items;
  for (int l = 0; l <= top && count > 0; ++l) {
    LevelBatch<S>& at = batch(l);
    LevelRow<S> row{sequence, begin, count, at.items, at.units, 0,
                    l == 0 ? wanted : count};
    at.items += count;
    at.wanted += row.wanted;
    if (l < top) {
      const int64_t block = config.levels[l].block;
      row.units = (begin + count) / block - begin / block;
      at.units += row.units;
      begin /= block;
    }
    at.rows.push_back(row);
    count = row.units;
  }
}

}  // namespace strata
