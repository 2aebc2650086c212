#include "model/base/utf8.h"

namespace strata {

// The narrower ranges of the second byte keep out overlong forms, surrogates
// and what lies above U+10FFFF.
bool Utf8State::Accept(uint8_t byte) {
  if (missing_ > 0) {
    if (byte < low_ || byte > high_) return false;
    --missing_;
    low_ = 0x80;
    high_ = 0xBF;
    return true;
  }
  if (byte < 0x80) return true;
  if (byte < 0xC2 || byte > 0xF4) return false;
  missing_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  if (byte == 0xE0) low_ = 0xA0;
  if (byte == 0xED) high_ = 0x9F;
  if (byte == 0xF0) low_ = 0x90;
  if (byte == 0xF4) high_ = 0x8F;
  return true;
}

size_t Utf8Length(absl::string_view text) {
  Utf8State state;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!state.Accept(static_cast<uint8_t>(text[i]))) return 0;
    if (state.missing() == 0) return i + 1;
  }
  return 0;
}

size_t FindInvalidUtf8(absl::string_view text) {
  Utf8State state;
  size_t start = 0;  // of the character at hand
  for (size_t i = 0; i < text.size(); ++i) {
    if (state.missing() == 0) start = i;
    if (!state.Accept(static_cast<uint8_t>(text[i]))) return start;
  }
  return state.missing() > 0 ? start : absl::string_view::npos;
}

}  // namespace strata
