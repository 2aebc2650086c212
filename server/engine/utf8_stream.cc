#include "server/engine/utf8_stream.h"

namespace strata {
namespace {
constexpr char kReplacement[] = "\xEF\xBF\xBD";
}  // namespace

void Utf8Stream::Append(absl::string_view bytes, std::string* text) {
  for (const char c : bytes) Push(static_cast<uint8_t>(c), text);
}

void Utf8Stream::Flush(std::string* text) {
  if (missing_ == 0) return;
  text->append(kReplacement);
  partial_.clear();
  missing_ = 0;
}

void Utf8Stream::Push(uint8_t byte, std::string* text) {
  if (missing_ > 0 && (byte < low_ || byte > high_)) Flush(text);
  if (missing_ == 0) {
    Begin(byte, text);
    return;
  }
  partial_ += static_cast<char>(byte);
  low_ = 0x80;
  high_ = 0xBF;
  if (--missing_ == 0) {
    text->append(partial_);
    partial_.clear();
  }
}

// The narrower ranges of the second byte keep out overlong forms, surrogates
// and what lies above U+10FFFF.
void Utf8Stream::Begin(uint8_t byte, std::string* text) {
  low_ = 0x80;
  high_ = 0xBF;
  if (byte < 0x80) {
    *text += static_cast<char>(byte);
    return;
  }
  if (byte >= 0xC2 && byte <= 0xDF) {
    missing_ = 1;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    missing_ = 2;
    if (byte == 0xE0) low_ = 0xA0;
    if (byte == 0xED) high_ = 0x9F;
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    missing_ = 3;
    if (byte == 0xF0) low_ = 0x90;
    if (byte == 0xF4) high_ = 0x8F;
  } else {
    text->append(kReplacement);
    return;
  }
  partial_.assign(1, static_cast<char>(byte));
}

}  // namespace strata
