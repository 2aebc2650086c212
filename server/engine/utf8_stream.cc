#include "server/engine/utf8_stream.h"

namespace strata {
namespace {
constexpr char kReplacement[] = "\xEF\xBF\xBD";
}  // namespace

void Utf8Stream::Append(absl::string_view bytes, std::string* text) {
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80 && state_.missing() == 0) {
      *text += c;  // most of them
    } else {
      Push(byte, text);
    }
  }
}

void Utf8Stream::Flush(std::string* text) {
  if (state_.missing() == 0) return;
  text->append(kReplacement);
  partial_.clear();
  state_ = Utf8State();
}

void Utf8Stream::Push(uint8_t byte, std::string* text) {
  if (!state_.Accept(byte)) {
    Flush(text);  // a character broken off; `byte` may begin the next
    if (!state_.Accept(byte)) {
      text->append(kReplacement);
      return;
    }
  }
  partial_ += static_cast<char>(byte);
  if (state_.missing() > 0) return;
  text->append(partial_);
  partial_.clear();
}

}  // namespace strata
