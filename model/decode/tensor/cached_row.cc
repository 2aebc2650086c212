#include "model/decode/tensor/cached_row.h"

#include <algorithm>

#include "model/nn/upload.h"

namespace strata {

std::array<KeyRun, 2> CachedKeys(const ScopeSpec& spec, int64_t i, int64_t begin) {
  const VisibleKeys seen = KeysSeen(spec, i, i + 1);
  std::array<KeyRun, 2> runs = {seen.kept, seen.recent};
  for (KeyRun& run : runs) run.end = std::min(run.end, begin);
  return runs;
}

int64_t BridgeSlot(const LevelConfig& level, int64_t context) {
  const ScopeSpec spec = BridgeSpec(level);
  return RuleOf(spec.scope).slot(spec, context, 1).slot;
}

NewItems NewItemsOf(const std::vector<CachedRow>& rows) {
  NewItems items;
  for (const CachedRow& row : rows) {
    for (int64_t j = 0; j < row.count; ++j) {
      items.rows.push_back(row.offset + j);
      items.positions.push_back(row.begin + j);
    }
  }
  return items;
}

SlotWrites PlanSlotWrites(const ScopeSpec& spec, const std::vector<CachedRow>& rows,
                          const torch::Device& device) {
  const auto slot_of = RuleOf(spec.scope).slot;
  std::vector<int64_t> items, targets, strides;
  std::vector<bool> taken;
  for (const CachedRow& row : rows) {
    taken.assign(row.count > 1 ? row.slots : 0, false);
    for (int64_t j = row.count - 1; j >= 0; --j) {
      const int64_t slot = slot_of(spec, row.begin + j, 1).slot;
      if (row.count > 1) {
        if (taken[slot]) continue;
        taken[slot] = true;
      }
      items.push_back(row.offset + j);
      targets.push_back(row.cache + slot);
      strides.push_back(row.slots);
    }
  }
  return {Upload(items, device), Upload(targets, device), Upload(strides, device)};
}

}  // namespace strata
