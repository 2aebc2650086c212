#include "model/decode/slot_sight.h"

#include <algorithm>

namespace strata {

void SlotSight::Clear() {
  seen_.clear();
  runs_.clear();
  ranges_.clear();
}

void SlotSight::Add(const ScopeSpec& spec, int64_t item) {
  Seen seen;
  seen.slot = RuleOf(spec.scope).slot(spec, item, 1).slot;
  seen.first_run = static_cast<int64_t>(runs_.size());
  seen.first_range = static_cast<int64_t>(ranges_.size());
  const VisibleKeys keys = KeysSeen(spec, item, item + 1);
  AddSlotRuns(spec, keys.kept, &runs_);
  AddSlotRuns(spec, keys.recent, &runs_);
  seen.runs = static_cast<int64_t>(runs_.size()) - seen.first_run;
  std::sort(runs_.begin() + seen.first_run, runs_.end(),
            [](const SlotRun& a, const SlotRun& b) { return a.slot < b.slot; });
  for (const SlotRun& run :
       absl::MakeConstSpan(runs_).subspan(seen.first_run)) {
    if (seen.ranges > 0 && ranges_.back().end == run.slot) {
      ranges_.back().end += run.count;
    } else {
      ranges_.push_back({run.slot, run.slot + run.count});
      ++seen.ranges;
    }
  }
  seen_.push_back(seen);
}

}  // namespace strata
