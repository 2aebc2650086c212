#pragma once
// KeyUnions: unions of sets of bytes over the runs of keys that the queries of a
// layer see, query by query: what the availability pass makes of attention
// (model/availability.h). Single owner thread.

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "model/scope_rule.h"

namespace strata {

// A set of bytes of [0, 64 * words).
using ByteSet = std::vector<uint64_t>;
using ItemSets = std::vector<ByteSet>;

inline void Join(const ByteSet& from, ByteSet* into) {
  for (size_t w = 0; w < into->size(); ++w) (*into)[w] |= from[w];
}

// Over one list, unions over ranges whose ends never move back, at two joins a step:
// the sets from `middle_` on are joined as they come, those before it are kept as
// unions of suffixes, made anew when they run out.
class RangeUnion {
 public:
  // `items` must outlive it.
  RangeUnion(const ItemSets* items, int64_t words)
      : items_(*items), recent_(words, 0) {}

  ByteSet Of(int64_t begin, int64_t end);

 private:
  // older_[k] = union of [end_ - 1 - k, end_)
  void Rebuild(int64_t begin);

  const ItemSets& items_;
  ByteSet recent_;    // [middle_, end_)
  ItemSets older_;    // suffixes of [begin_, middle_)
  int64_t begin_ = 0;
  int64_t middle_ = 0;
  int64_t end_ = 0;
};

class KeyUnions {
 public:
  // `items` must outlive it.
  KeyUnions(const ItemSets* items, int64_t words)
      : items_(*items), words_(words) {}

  // REQUIRES: the begins and the ends of runs of one step and one remainder by it
  // never move back.
  ByteSet Of(const KeyRun& keys);

 private:
  // Every step-th item, from one of the first `step` on; of step 1 the list itself.
  struct Phase {
    ItemSets items;
    RangeUnion unions;
    Phase(const ItemSets& all, int64_t words) : unions(&all, words) {}
    Phase(ItemSets&& of, int64_t words)
        : items(std::move(of)), unions(&items, words) {}
  };
  Phase& PhaseOf(int64_t step, int64_t first);

  const ItemSets& items_;
  const int64_t words_;
  std::map<std::pair<int64_t, int64_t>, std::unique_ptr<Phase>> phases_;
};

}  // namespace strata
