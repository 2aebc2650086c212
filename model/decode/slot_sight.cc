#include "model/decode/slot_sight.h"

#include <algorithm>

namespace strata {

void SlotSight::Clear() {
  seen_.clear();
  runs_.clear();
  ranges_.clear();
}

void SlotSight::AddKeys(const ScopeSpec& spec, const VisibleKeys& keys) {
  Seen seen;
  seen.first_run = static_cast<int32_t>(runs_.size());
  AddSlotRuns(spec, keys.kept, &runs_);
  AddSlotRuns(spec, keys.recent, &runs_);
  seen.runs = static_cast<int32_t>(runs_.size()) - seen.first_run;
  if (seen.runs > 0) {
    seen.slot = static_cast<int32_t>(runs_.back().slot + runs_.back().count - 1);
  }
  const auto first = runs_.begin() + seen.first_run;
  const auto by_slot = [](const SlotRun& a, const SlotRun& b) {
    return a.slot < b.slot;
  };
  if (!std::is_sorted(first, runs_.end(), by_slot)) {
    std::sort(first, runs_.end(), by_slot);
  }
  AddRanges(&seen);
  seen_.push_back(seen);
}

void SlotSight::KeepNear(absl::Span<const SlotRun> seen, int64_t item, int64_t sight,
                         std::vector<SlotRun>* runs, std::vector<SlotRange>* ranges) {
  runs->clear();
  ranges->clear();
  for (SlotRun run : seen) {
    const int64_t far = item - sight + 1 - run.item;  // the first that is near enough
    const int64_t skipped =
        std::min(run.count, far > 0 ? (far + run.step - 1) / run.step : 0);
    run.item += skipped * run.step;
    run.slot += skipped;
    run.count -= skipped;
    if (run.count == 0) continue;
    runs->push_back(run);
    ranges->push_back({run.slot, run.slot + run.count});
  }
}

// Those of the item before where they are the same, as in a ring that is full.
void SlotSight::AddRanges(Seen* seen) {
  const auto first = static_cast<int32_t>(ranges_.size());
  for (int32_t i = seen->first_run; i < seen->first_run + seen->runs; ++i) {
    const SlotRun& run = runs_[i];
    if (static_cast<int32_t>(ranges_.size()) > first &&
        ranges_.back().end == run.slot) {
      ranges_.back().end += run.count;
    } else {
      ranges_.push_back({run.slot, run.slot + run.count});
    }
  }
  seen->first_range = first;
  seen->ranges = static_cast<int32_t>(ranges_.size()) - first;
  if (seen_.empty() || seen_.back().ranges != seen->ranges) return;
  const auto same = [](const SlotRange& a, const SlotRange& b) {
    return a.begin == b.begin && a.end == b.end;
  };
  if (std::equal(ranges_.begin() + first, ranges_.end(),
                 ranges_.begin() + seen_.back().first_range, same)) {
    ranges_.resize(first);
    seen->first_range = seen_.back().first_range;
  }
}

}  // namespace strata
