#include "model/key_unions.h"

#include <algorithm>

namespace strata {

ByteSet RangeUnion::Of(int64_t begin, int64_t end) {
  for (; end_ < end; ++end_) Join(items_[end_], &recent_);
  if (begin > begin_ && begin >= middle_) Rebuild(begin);
  begin_ = begin;
  ByteSet out = recent_;
  if (begin_ < middle_) Join(older_[middle_ - 1 - begin_], &out);
  return out;
}

void RangeUnion::Rebuild(int64_t begin) {
  middle_ = std::max(begin, end_);
  older_.clear();
  std::fill(recent_.begin(), recent_.end(), 0);
  for (int64_t i = end_ - 1; i >= begin; --i) {
    older_.push_back(items_[i]);
    if (older_.size() > 1) Join(older_[older_.size() - 2], &older_.back());
  }
}

ByteSet KeyUnions::Of(const KeyRun& keys) {
  const int64_t count = keys.count();
  if (count == 0) return ByteSet(words_, 0);
  const int64_t begin = keys.begin / keys.step;
  return PhaseOf(keys.step, keys.begin % keys.step)
      .unions.Of(begin, begin + count);
}

KeyUnions::Phase& KeyUnions::PhaseOf(int64_t step, int64_t first) {
  std::unique_ptr<Phase>& phase = phases_[{step, first}];
  if (phase == nullptr && step == 1) {
    phase = std::make_unique<Phase>(items_, words_);
  } else if (phase == nullptr) {
    ItemSets items;
    for (size_t i = first; i < items_.size(); i += step) {
      items.push_back(items_[i]);
    }
    phase = std::make_unique<Phase>(std::move(items), words_);
  }
  return *phase;
}

}  // namespace strata
