#include "model/scope_rule.h"

#include <algorithm>
#include <limits>

namespace strata {

// Those that have code of their own, one file each.
extern const ScopeRule kDilatedScope;
extern const ScopeRule kStridedScope;
extern const ScopeRule kGlobalLocalScope;
extern const ScopeRule kCompressiveScope;

namespace {

constexpr int kMaxParameter = 1 << 16;

SlotsFrom RoundedRing(int64_t size, int64_t item) {
  return RingSlot(0, WholeSlots(size), item);
}

VisibleKeys OwnBlock(const ScopeSpec& spec, int64_t i, int64_t /*n*/) {
  return {{}, {i - i % spec.block, i + 1, 1}};
}

VisibleKeys AllBefore(const ScopeSpec& /*spec*/, int64_t i, int64_t /*n*/) {
  return {{}, {0, i + 1, 1}};
}

const ScopeRule kFullScope = {
    .name = "full",
    .keys = AllBefore,
    .slot = [](const ScopeSpec&, int64_t item, int64_t) -> SlotsFrom {
      return {item, std::numeric_limits<int64_t>::max()};
    },
    .slots = [](const ScopeSpec&, int64_t items) { return items; },
    .endless = true};

const ScopeRule kWindowScope = {
    .name = "window",
    .keys = [](const ScopeSpec& spec, int64_t i, int64_t) -> VisibleKeys {
      return {{}, LastItems(i, spec.window)};
    },
    .slot = [](const ScopeSpec& spec, int64_t item,
               int64_t) { return RoundedRing(spec.window, item); },
    .slots = [](const ScopeSpec& spec,
                int64_t items) { return std::min<int64_t>(spec.window, items); },
    .span = [](const ScopeSpec& spec) { return int64_t{spec.window}; },
    .windowed = true};

const ScopeRule kBlockScope = {
    .name = "block",
    .keys = OwnBlock,
    .slot = [](const ScopeSpec& spec, int64_t item,
               int64_t) { return RoundedRing(spec.block, item); },
    .slots = [](const ScopeSpec& spec,
                int64_t items) { return std::min<int64_t>(spec.block, items); }};

// Recomputes its block from the pool buffer.
const ScopeRule kBidirBlockScope = {
    .name = "bidir_block",
    .keys = [](const ScopeSpec& spec, int64_t i, int64_t n) -> VisibleKeys {
      const int64_t begin = i - i % spec.block;
      return {{}, {begin, std::min(begin + spec.block, n), 1}};
    }};

// The items of its leaf: nodes are model/tree_nodes.h's.
const ScopeRule kTreeScope = {.name = "tree", .keys = OwnBlock, .endless = true};

// Its sums have no slots: model/state_layout.h.
const ScopeRule kLinearScope = {.name = "linear",
                                .keys = AllBefore,
                                .endless = true,
                                .summed = true};

constexpr Scope kScopes[] = {
    Scope::kFull,    Scope::kWindow,  Scope::kBlock,       Scope::kBidirBlock, Scope::kTree,
    Scope::kDilated, Scope::kStrided, Scope::kGlobalLocal, Scope::kLinear,
};
const ScopeRule* const kRules[] = {
    &kFullScope, &kWindowScope,  &kBlockScope,   &kBidirBlockScope,
    &kTreeScope, &kDilatedScope, &kStridedScope, &kGlobalLocalScope,
    &kLinearScope,  &kCompressiveScope,
};

constexpr ScopeParameter kParameters[] = {
    {"dilation", &ScopeSpec::dilation, 2, kMaxParameter},
    {"stride", &ScopeSpec::stride, 2, kMaxParameter},
    {"global_items", &ScopeSpec::global_items, 1, kMaxParameter},
};

}  // namespace

const ScopeRule& RuleOf(Scope scope) { return *kRules[static_cast<int>(scope)]; }

absl::Span<const Scope> Scopes() { return kScopes; }

absl::Span<const ScopeParameter> ScopeParameters() { return kParameters; }

void AddSlotRuns(const ScopeSpec& spec, const KeyRun& keys,
                 std::vector<SlotRun>* runs) {
  const auto slot = RuleOf(spec.scope).slot;
  int64_t left = keys.count();
  for (int64_t item = keys.begin; left > 0;) {
    const SlotsFrom from = slot(spec, item, keys.step);
    const int64_t count = std::min(left, from.length);
    runs->push_back({item, keys.step, count, from.slot});
    item += count * keys.step;
    left -= count;
  }
}

}  // namespace strata
