#pragma once
// Where training stands in its data: two numbers, because the order of an epoch
// is a pure function of (seed, epoch). Plain values, thread-compatible.

#include <compare>
#include <cstdint>

namespace strata {

struct DataCursor {
  int64_t epoch = 0;
  int64_t row = 0;  // of the epoch, the next one to hand out

  auto operator<=>(const DataCursor&) const = default;
};

// Rows that gave non-finite gradients and are never fed again: [begin, end).
struct DataWindow {
  DataCursor begin;
  DataCursor end;

  bool operator==(const DataWindow&) const = default;
};

}  // namespace strata
