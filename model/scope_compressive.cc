// A window and means of what has left it: the compressed memory of the Compressive
// Transformer (Rae et al. 2019, 1911.05507). The runs [e r, (e + 1) r) of a document's
// items leave the window of W whole, and their mean takes their place; the newest
// `packed` means are seen.
//
//   begin = max(0, i + 1 - W), rounded up to a multiple of r     oldest item that is seen
//   seen    begin .. i, and the means of the last runs before begin
//
// The first item that does not see a run is the one that takes the place of its first
// item in a ring of W: so the mean is made just before, from keys and values that are
// still there. The mean counts as the last item of its run wherever a place matters.

#include <algorithm>

#include "model/scope_rule.h"

namespace strata {
namespace {

int64_t OldestSeen(const ScopeSpec& spec, int64_t i) {
  const int64_t left = std::max<int64_t>(0, i + 1 - spec.window);
  return (left + spec.rate - 1) / spec.rate * spec.rate;
}

}  // namespace

extern const ScopeRule kCompressiveScope;
const ScopeRule kCompressiveScope = {
    .name = "compressive",
    .keys = [](const ScopeSpec& spec, int64_t i, int64_t) -> VisibleKeys {
      const int64_t r = spec.rate;
      const int64_t begin = OldestSeen(spec, i);
      const int64_t first = std::max<int64_t>(0, begin / r - spec.packed);
      return {{first * r + r - 1, begin, r}, {begin, i + 1, 1}};
    },
    // A mean is told by the step of its run.
    .slot = [](const ScopeSpec& spec, int64_t item, int64_t step) -> SlotsFrom {
      const int64_t ring = WholeSlots(spec.window);
      if (step == 1) return RingSlot(0, ring, item);
      return RingSlot(ring, spec.packed, item / spec.rate);
    },
    .slots = [](const ScopeSpec& spec, int64_t items) -> int64_t {
      if (items <= spec.window) return items;
      const int64_t means = OldestSeen(spec, items - 1) / spec.rate;
      return WholeSlots(spec.window) + std::min<int64_t>(means, spec.packed);
    },
    .keeps = [](const ScopeSpec& spec,
                int64_t item) { return (item + 1) % spec.rate == 0; },
    .span = [](const ScopeSpec& spec) -> int64_t {
      return spec.window + int64_t{spec.rate} * spec.packed;
    },
    .pooled = [](const ScopeSpec& spec) { return int64_t{spec.rate}; },
    .windowed = true};

}  // namespace strata
