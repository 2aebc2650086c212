#pragma once
// A run of bytes of a text. A plain value.

#include <cstdint>

namespace strata {

struct ByteRange {
  int64_t begin = 0;
  int64_t end = 0;  // past the last byte

  bool operator==(const ByteRange&) const = default;
};

}  // namespace strata
