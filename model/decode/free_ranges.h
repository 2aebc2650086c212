#pragma once
// FreeRanges: which numbers are free, as ranges. First fit, so that the low end
// stays dense; neighbours are joined. Bookkeeping alone: what the numbers stand
// for is the owner's. Not thread-safe.

#include <cstdint>
#include <map>
#include <optional>

namespace strata {

struct Range {
  int64_t begin = 0;
  int64_t count = 0;
};

class FreeRanges {
 public:
  // Begin of `count` numbers in a row, which are free no longer; nullopt when
  // no range is long enough. REQUIRES: count >= 1.
  std::optional<int64_t> Take(int64_t count);

  // Returns the free range that [begin, begin + count) is now part of.
  // REQUIRES: none of it is free.
  Range Give(int64_t begin, int64_t count);

  const std::map<int64_t, int64_t>& ranges() const { return ranges_; }  // begin -> count

 private:
  std::map<int64_t, int64_t> ranges_;  // begin -> count
};

}  // namespace strata
