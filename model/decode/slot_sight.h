#pragma once
// SlotSight: where the items of a step lie in their sequences' caches, and which slots
// each of them sees, as their scope's rule says (model/scope_rule.h). Made once per
// stack of layers; its layers and heads share it. Single owner thread.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/decode/kernels.h"
#include "model/scope_rule.h"

namespace strata {

class SlotSight {
 public:
  void Clear();
  // The next item of the batch.
  void Add(const ScopeSpec& spec, int64_t item) {
    AddKeys(spec, KeysSeen(spec, item, item + 1));
  }
  // The same with what it sees, which may be nothing, in the slots of `spec`.
  void AddKeys(const ScopeSpec& spec, const VisibleKeys& keys);

  // The slot of the newest item that it sees, which is itself by a scope.
  int64_t slot(int64_t row) const { return seen_[row].slot; }
  // What the item sees, in ascending order of slots: the runs, each of
  // items in ascending order; and the ranges that they fill, none next to another.
  absl::Span<const SlotRun> runs(int64_t row) const {
    return absl::MakeConstSpan(runs_).subspan(seen_[row].first_run,
                                              seen_[row].runs);
  }
  absl::Span<const SlotRange> ranges(int64_t row) const {
    return absl::MakeConstSpan(ranges_).subspan(seen_[row].first_range,
                                                seen_[row].ranges);
  }

  // Of what `item` sees, in `seen`, the items less than `sight` away, which are all it
  // looks at.
  static void KeepNear(absl::Span<const SlotRun> seen, int64_t item, int64_t sight,
                       std::vector<SlotRun>* runs, std::vector<SlotRange>* ranges);

 private:
  // Small: every head reads them all, beside its keys and values.
  struct Seen {
    int32_t slot = 0;
    int32_t first_run = 0, runs = 0;
    int32_t first_range = 0, ranges = 0;
  };
  void AddRanges(Seen* seen);

  std::vector<Seen> seen_;
  std::vector<SlotRun> runs_;
  std::vector<SlotRange> ranges_;
};

}  // namespace strata
