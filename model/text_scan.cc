#include "model/text_scan.h"

#include "absl/strings/ascii.h"

namespace strata {

void TextScan::Append(absl::string_view piece) {
  for (const char c : piece) Push(static_cast<uint8_t>(c));
}

void TextScan::Finish() {
  if (!found_ && utf8_.missing() > 0) Fault(character_, "not_utf8", "not valid UTF-8");
}

void TextScan::Push(uint8_t byte) {
  blank_ = blank_ && absl::ascii_isspace(byte);
  if (!found_) {
    if (utf8_.missing() == 0) character_ = column_;
    if (!utf8_.Accept(byte)) {
      Fault(character_, "not_utf8", "not valid UTF-8");
    } else if (byte == 0) {
      Fault(column_, "nul_byte", "a NUL byte; this is not text");
    }
  }
  ++column_;
  if (byte != '\n') return;
  ++line_;
  column_ = 1;
  found_ = false;
  utf8_ = Utf8State();
}

void TextScan::Fault(int64_t column, absl::string_view code,
                     absl::string_view message) {
  sink_(line_, column, code, message);
  found_ = true;
}

}  // namespace strata
