// A few global items and a window: the causal half of Longformer (2004.05150) and
// ETC, and the attention sinks of StreamingLLM (Xiao et al., 2309.17453): the first
// g items of the document and the last W. The state is constant.
//
// The first g items have the first slots for good; the others share a ring.

#include <algorithm>

#include "model/scope_rule.h"

namespace strata {

extern const ScopeRule kGlobalLocalScope;
const ScopeRule kGlobalLocalScope = {
    .name = "global_local",
    .keys = [](const ScopeSpec& spec, int64_t i, int64_t) -> VisibleKeys {
      const KeyRun recent = LastItems(i, spec.window);
      return {{0, std::min<int64_t>(spec.global_items, recent.begin), 1}, recent};
    },
    .slot = [](const ScopeSpec& spec, int64_t item, int64_t) -> SlotsFrom {
      const int64_t g = spec.global_items;
      if (item < g) return {item, g - item};
      return RingSlot(g, spec.window, item - g);
    },
    .slots = [](const ScopeSpec& spec, int64_t items) -> int64_t {
      return std::min(items, int64_t{spec.global_items} + spec.window);
    },
    .keeps = [](const ScopeSpec& spec,
                int64_t item) { return item < spec.global_items; },
    .span = [](const ScopeSpec& spec) { return int64_t{spec.window}; },
    .kept_first = [](const ScopeSpec& spec) { return int64_t{spec.global_items}; },
    .windowed = true,
    .parameter = &ScopeSpec::global_items};

}  // namespace strata
