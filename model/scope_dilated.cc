// The dilated window (Longformer, Beltagy et al., 2004.05150): W keys at the
// distances 0, d, 2d, …, so a layer spans (W - 1) d + 1 items. Items of another
// remainder by d are never seen: another layer of the level must bring them in, such
// as a windowed encoder (the availability pass refuses what does not).
//
// Each remainder has a ring of W slots of its own, one behind the other, so that
// what a query sees lies together.

#include <algorithm>

#include "model/scope_rule.h"

namespace strata {

extern const ScopeRule kDilatedScope;
const ScopeRule kDilatedScope = {
    .name = "dilated",
    .keys = [](const ScopeSpec& spec, int64_t i, int64_t) -> VisibleKeys {
      const int64_t d = spec.dilation;
      const int64_t back = std::min<int64_t>(spec.window - 1, i / d);
      return {{}, {i - back * d, i + 1, d}};
    },
    .slot = [](const ScopeSpec& spec, int64_t item, int64_t) -> SlotsFrom {
      const int64_t d = spec.dilation;
      return RingSlot(item % d * spec.window, spec.window, item / d);
    },
    .slots = [](const ScopeSpec& spec, int64_t items) -> int64_t {
      const int64_t d = spec.dilation;
      if (items == 0) return 0;
      if (items < d) return (items - 1) * spec.window + 1;
      return (d - 1) * spec.window + std::min<int64_t>(spec.window, items / d);
    },
    .phases = [](const ScopeSpec& spec) { return int64_t{spec.dilation}; },
    .span = [](const ScopeSpec& spec) -> int64_t {
      return int64_t{spec.window - 1} * spec.dilation + 1;
    },
    .windowed = true,
    .parameter = &ScopeSpec::dilation};

}  // namespace strata
