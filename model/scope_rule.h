#pragma once
// ScopeRule: which keys a query of a stack of layers sees, and which slots of a
// decoder's cache those keys lie in. A rule is a plain description: the training
// masks, the availability pass, the layout of the state and both executors are all
// driven by it, so that a mask bug cannot hide from the proof, and none of them
// knows a causal scope by name, but for shortcuts of the full one. A rule with
// code of its own is one file (model/scope_NAME.cc) and one line of the table in
// model/scope_rule.cc. Pure functions, thread-safe.
//
//   scope         query i sees                                    slots of a cache
//   full          0..i                                            one an item
//   window W      the last W items, itself included               ring of W
//   block b       the items of its own block up to i              ring of b
//   bidir_block   every item of its own block; encoders only      none
//   tree          model/tree_nodes.h; decoders only               model/state_layout.h
//   dilated       W items at the distances 0, d, 2d, …            d rings of W
//     2004.05150
//   strided       the last W items, and before them every j with  ring of W - W / s,
//     1904.10509  (j + 1) % s = 0                                 one more every s items
//   global_local  the first g items and the last W                g, and a ring of W
//     2004.05150, 2309.17453
//   linear        0..i, by a sum of features                      none: one sum a head
//     2006.16236  (model/nn/linear_attention.h)
//   compressive   the last W items, as many whole runs of r left  ring of W, and of as
//     1911.05507  out as are over, and the means of the runs      many means
//
// The last one is no scope of config.json: it is what `window` becomes in a level whose
// memory is compressive (model/scope_compressive.cc).
//
// Items are the level's own, counted from their document's first one.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace strata {

enum class Scope {
  kFull,
  kWindow,
  kBlock,
  kBidirBlock,
  kTree,
  kDilated,
  kStrided,
  kGlobalLocal,
  kLinear,
  kCompressive,
};

// A scope with what its level gives it.
struct ScopeSpec {
  Scope scope = Scope::kFull;
  int window = 0;  // W
  int block = 0;   // b; of the tree, its leaf
  int dilation = 0;      // d
  int stride = 0;        // s
  int global_items = 0;  // g
  int rate = 0;          // r, items of a mean
  int packed = 0;        // means that are seen
};

// The items begin, begin + step, … before end; none where end <= begin.
struct KeyRun {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;

  int64_t count() const {
    return end > begin ? (end - begin + step - 1) / step : 0;
  }
};

// What a query sees: two runs without a common item.
struct VisibleKeys {
  KeyRun kept;    // older items that are seen for ever
  KeyRun recent;  // the query's own item with them
};

// The slot of an item, and how many items, from it on by a step, lie in
// consecutive slots.
struct SlotsFrom {
  int64_t slot = 0;
  int64_t length = 1;
};

struct ScopeRule {
  const char* name;  // as config.json spells it
  // Of query i among items [0, n); n matters where a scope looks ahead.
  VisibleKeys (*keys)(const ScopeSpec& spec, int64_t i, int64_t n);
  // An item lies in the same slot whatever the capacity of its sequence; no two
  // items that a later query sees share one. Asked for the steps of `keys`. Null:
  // nothing is cached by item.
  SlotsFrom (*slot)(const ScopeSpec& spec, int64_t item, int64_t step) = nullptr;
  // One more than the last slot of the items [0, items).
  int64_t (*slots)(const ScopeSpec& spec, int64_t items) = nullptr;
  // Whether later queries see the item for ever; null where none is. A scope with
  // this counts from the first item of a document.
  bool (*keeps)(const ScopeSpec& spec, int64_t item) = nullptr;
  // Items with other remainders by this never see one another; null: 1.
  int64_t (*phases)(const ScopeSpec& spec) = nullptr;
  // Items that a layer looks back, itself included and kept ones aside; null where
  // that is all of them, or ends with the block.
  int64_t (*span)(const ScopeSpec& spec) = nullptr;
  // From one kept item to the next, without end; null where there is an end.
  int64_t (*gap)(const ScopeSpec& spec) = nullptr;
  // A kept key stands for so many items, the last of which is its own: it is their
  // mean, in a slot of its own, from when they are no longer seen themselves. Null: it
  // is the item's.
  int64_t (*pooled)(const ScopeSpec& spec) = nullptr;
  // The kept ones are so many first items; null where they are others.
  int64_t (*kept_first)(const ScopeSpec& spec) = nullptr;
  bool endless = false;   // sees everything, however old it is
  // Keeps sums over its keys in their place: model/nn/linear_attention.h.
  bool summed = false;
  bool windowed = false;  // needs LevelConfig::window
  // The one of ScopeParameters() that it needs, or null.
  int ScopeSpec::*parameter = nullptr;
};

const ScopeRule& RuleOf(Scope scope);
// Those of config.json, in the order of the table above.
absl::Span<const Scope> Scopes();

// What a scope may need beside window and block: 0 in a level without it.
struct ScopeParameter {
  const char* name;  // in config.json
  int ScopeSpec::*value;
  int least;
  int most;
};
absl::Span<const ScopeParameter> ScopeParameters();

inline VisibleKeys KeysSeen(const ScopeSpec& spec, int64_t i, int64_t n) {
  return RuleOf(spec.scope).keys(spec, i, n);
}
// Items that a kept key stands for.
inline int64_t PooledItems(const ScopeSpec& spec) {
  const ScopeRule& rule = RuleOf(spec.scope);
  return rule.pooled == nullptr ? 1 : rule.pooled(spec);
}
// The items that the kept keys of a query stand for.
inline KeyRun ItemsOfKept(const ScopeSpec& spec, const KeyRun& kept) {
  const int64_t pooled = PooledItems(spec);
  if (pooled == 1 || kept.count() == 0) return kept;
  return {kept.begin + 1 - pooled, kept.end, 1};
}
inline int64_t Phases(const ScopeSpec& spec) {
  const ScopeRule& rule = RuleOf(spec.scope);
  return rule.phases == nullptr ? 1 : rule.phases(spec);
}

// Attention reads whole vectors of slots.
inline constexpr int64_t kSlotMultiple = 16;
inline int64_t WholeSlots(int64_t slots) {
  return (slots + kSlotMultiple - 1) / kSlotMultiple * kSlotMultiple;
}

// Items item, item + step, … in consecutive slots of a cache.
struct SlotRun {
  int64_t item = 0;
  int64_t step = 1;
  int64_t count = 0;
  int64_t slot = 0;
};
// Cuts a run of keys by where they lie, in order of item, and adds the pieces.
// REQUIRES: a rule with slots.
void AddSlotRuns(const ScopeSpec& spec, const KeyRun& keys,
                 std::vector<SlotRun>* runs);

// Of rules: the place `rank` of a ring that begins at slot `base`.
inline SlotsFrom RingSlot(int64_t base, int64_t ring, int64_t rank) {
  return {base + rank % ring, ring - rank % ring};
}
// The last `window` items up to i.
inline KeyRun LastItems(int64_t i, int64_t window) {
  return {i + 1 > window ? i + 1 - window : 0, i + 1, 1};
}

}  // namespace strata
