#pragma once
// How single bytes of a text are shown where a reader must tell each: printable
// ASCII as itself, white space as a symbol, all else as two hex digits; the bytes of
// a character beyond ASCII also as that character. Pure functions.

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace strata {

// "a", "␣", "⏎", "⇥", "0d", "c3".
std::string ByteGlyph(unsigned char byte);

// Bytes of the character beyond ASCII that starts at `at` and that a document may
// hold (no control, no surrogate, no noncharacter); 0 where there is none.
size_t WideCharacterAt(absl::string_view text, size_t at);

// Bytes [begin, end) on one line: characters as themselves, control bytes as
// symbols, bytes that are no UTF-8 as \xNN; at most `max_bytes` of them and "…".
std::string Snippet(absl::string_view text, size_t begin, size_t end, size_t max_bytes);

}  // namespace strata
