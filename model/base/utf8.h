#pragma once
// What is UTF-8: shortest forms, no surrogates, at most U+10FFFF (Unicode 15,
// table 3-7). The one place that knows; bytes come whole or in pieces.
// Thread-compatible; the functions are pure.

#include <cstdint>

#include "absl/strings/string_view.h"

namespace strata {

// Stands between two bytes of a text. No memory beyond that: a text of any
// length can be checked piece by piece.
class Utf8State {
 public:
  // Takes `byte` if it may come next; else false, and nothing changes.
  bool Accept(uint8_t byte);
  // Bytes still to come of the character that has begun; 0: between characters.
  int missing() const { return missing_; }

 private:
  int missing_ = 0;
  uint8_t low_ = 0x80;  // range of the next byte
  uint8_t high_ = 0xBF;
};

// Bytes of the character that `text` begins with; 0: none, or cut off.
size_t Utf8Length(absl::string_view text);

// Offset of the first byte that is not part of a whole character; npos where
// all is well.
size_t FindInvalidUtf8(absl::string_view text);

}  // namespace strata
