#include "client/inspect/glyphs.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace strata {
namespace {

// The symbol of a byte of white space, or null.
const char* Symbol(unsigned char byte) {
  switch (byte) {
    case ' ': return "␣";
    case '\n': return "⏎";
    case '\t': return "⇥";
    default: return nullptr;
  }
}

bool IsPrintable(unsigned char byte) { return byte > 0x20 && byte < 0x7F; }

// Length that a lead byte announces; 0: none of a character beyond ASCII.
size_t AnnouncedLength(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

bool MayStand(uint32_t code, size_t length) {
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool control = code < 0xA0;
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  const bool noncharacter = (code & 0xFFFE) == 0xFFFE || (code >= 0xFDD0 && code <= 0xFDEF);
  return code >= kLeast[length] && code <= 0x10FFFF && !control && !surrogate && !noncharacter;
}

}  // namespace

std::string ByteGlyph(unsigned char byte) {
  if (IsPrintable(byte)) return std::string(1, static_cast<char>(byte));
  if (const char* symbol = Symbol(byte)) return symbol;
  return absl::StrFormat("%02x", byte);
}

size_t WideCharacterAt(absl::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = AnnouncedLength(lead);
  if (length == 0 || at + length > text.size()) return 0;
  uint32_t code = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    const auto inner = static_cast<unsigned char>(text[at + i]);
    if ((inner & 0xC0) != 0x80) return 0;
    code = code << 6 | (inner & 0x3Fu);
  }
  return MayStand(code, length) ? length : 0;
}

std::string Snippet(absl::string_view text, size_t begin, size_t end, size_t max_bytes) {
  const size_t stop = std::min(end, begin + max_bytes);
  std::string out;
  for (size_t i = begin; i < stop;) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t wide = WideCharacterAt(text.substr(0, end), i);
    if (wide > 0) {
      absl::StrAppend(&out, text.substr(i, wide));
    } else if (IsPrintable(byte) || byte == ' ') {
      out += static_cast<char>(byte);
    } else if (const char* symbol = Symbol(byte)) {
      out += symbol;
    } else {
      absl::StrAppendFormat(&out, "\\x%02x", byte);
    }
    i += std::max<size_t>(wide, 1);
  }
  return end > stop ? out + "…" : out;
}

}  // namespace strata
