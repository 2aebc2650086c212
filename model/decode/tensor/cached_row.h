#pragma once
// CachedRow: one sequence's share of a stack's batch, and where its caches lie in the pool
// of states; and which of the new items stay in them. Pure functions, thread-safe.

#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <vector>

#include "model/model_config.h"
#include "model/scope_rule.h"

namespace strata {

struct CachedRow {
  int64_t cache = 0;  // first pool row of the stack: [layers][K, V][slots]
  int64_t slots = 0;
  int64_t begin = 0;   // position of the first new item
  int64_t count = 0;   // new items
  int64_t offset = 0;  // rows [offset, offset + count) of the batch
};

// The keys that item i sees of the items before `begin`, as those of VisibleKeys.
std::array<KeyRun, 2> CachedKeys(const ScopeSpec& spec, int64_t i, int64_t begin);

// Of a context in the ring of keys, or of values, of a bridge that attends.
int64_t BridgeSlot(const LevelConfig& level, int64_t context);

// New items of rows, one after another.
struct NewItems {
  std::vector<int64_t> rows;       // of the batch
  std::vector<int64_t> positions;  // in their sequences
};
NewItems NewItemsOf(const std::vector<CachedRow>& rows);

// Of new items that share a slot, the last one stays.
struct SlotWrites {
  torch::Tensor items;   // rows of the batch that stay; undefined: all
  torch::Tensor rows;    // their pool rows in layer 0's keys
  torch::Tensor stride;  // from keys to values, and so on
};
SlotWrites PlanSlotWrites(const ScopeSpec& spec, const std::vector<CachedRow>& rows,
                          const torch::Device& device);

}  // namespace strata
