// The strided pattern of the Sparse Transformer (Child et al., 1904.10509), its two
// heads' sets as one: the last W items, and before them every item j with
// (j + 1) % s = 0. With W >= s, what lies between is seen in two layers.
//
// Every s-th item has a slot for good, behind a ring of the others: of W items in a
// row at most W - W / s are others.

#include <algorithm>
#include <limits>

#include "model/scope_rule.h"

namespace strata {
namespace {

bool Kept(const ScopeSpec& spec, int64_t item) {
  return (item + 1) % spec.stride == 0;
}

int64_t Ring(const ScopeSpec& spec) {
  return spec.window - spec.window / spec.stride;
}

}  // namespace

extern const ScopeRule kStridedScope;
const ScopeRule kStridedScope = {
    .name = "strided",
    .keys = [](const ScopeSpec& spec, int64_t i, int64_t) -> VisibleKeys {
      const KeyRun recent = LastItems(i, spec.window);
      return {{spec.stride - 1, recent.begin, spec.stride}, recent};
    },
    .slot = [](const ScopeSpec& spec, int64_t item, int64_t step) -> SlotsFrom {
      const int64_t s = spec.stride;
      if (Kept(spec, item)) {
        return {Ring(spec) + item / s,
                step == s ? std::numeric_limits<int64_t>::max() : 1};
      }
      SlotsFrom other = RingSlot(0, Ring(spec), item - item / s);
      other.length = std::min(other.length, s - 1 - item % s);
      return other;
    },
    .slots = [](const ScopeSpec& spec, int64_t items) -> int64_t {
      return items < spec.stride ? std::min(items, Ring(spec))
                                 : Ring(spec) + items / spec.stride;
    },
    .keeps = Kept,
    .span = [](const ScopeSpec& spec) { return int64_t{spec.window}; },
    .gap = [](const ScopeSpec& spec) { return int64_t{spec.stride}; },
    .windowed = true,
    .parameter = &ScopeSpec::stride};

}  // namespace strata
