#pragma once
// Utf8Stream: bytes in, whole UTF-8 characters out. An incomplete character is
// held back until its last byte comes; what cannot become a character turns
// into U+FFFD, one for each maximal ill-formed part (Unicode 15, 3.9, table
// 3-8), as browsers and Python's errors="replace" do. So the pieces, joined,
// are the decoding of the whole, however the bytes were cut.
// Thread-compatible. Cost: constant per byte; holds at most three.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "model/base/utf8.h"

namespace strata {

class Utf8Stream {
 public:
  // Appends to `text` what became certain.
  void Append(absl::string_view bytes, std::string* text);
  // The end: a held-back part becomes U+FFFD.
  void Flush(std::string* text);

 private:
  void Push(uint8_t byte, std::string* text);

  std::string partial_;  // of the character that has begun
  Utf8State state_;
};

}  // namespace strata
