#pragma once
// EntranceTable: what a position scheme adds to the items of a level where they enter
// a stack of layers.
//
//   sinusoidal  gain * [cos(i theta^(-2m/D)), sin(..)], m < D/2
//   learned     row min(i, span - 1) of a table
//
// Immutable after construction, thread-safe.

#include <cstdint>
#include <memory>
#include <vector>

#include "model/decode/packed_weights.h"
#include "model/decode/rope_table.h"
#include "model/model_config.h"

namespace strata {

template <typename T>
class EntranceTable {
 public:
  virtual ~EntranceTable() = default;

  // x [D] += what item i gets. `scratch`: [D].
  virtual void Add(int64_t item, T* scratch, T* x) const = 0;
};

// Null where the level's scheme adds nothing. `weights` outlives it.
template <typename T>
std::unique_ptr<EntranceTable<T>> MakeEntranceTable(
    const ModelConfig& config, int level, const LevelWeights<T>& weights);

}  // namespace strata
