#pragma once
// Checks plain text that comes in pieces: UTF-8 without NUL bytes. Memory is
// constant, whatever the text and its lines are. Thread-compatible.

#include <cstdint>
#include <functional>

#include "absl/strings/string_view.h"
#include "model/base/utf8.h"

namespace strata {

class TextScan {
 public:
  // Told of a fault: its line and column, from 1, its code and why. One a line:
  // a binary file would otherwise drown the report.
  using FaultSink = std::function<void(int64_t line, int64_t column,
                                       absl::string_view code,
                                       absl::string_view message)>;

  explicit TextScan(FaultSink sink) : sink_(std::move(sink)) {}

  void Append(absl::string_view piece);
  void Finish();  // the end: a character may be cut off

  bool blank() const { return blank_; }  // nothing but white space so far
  // The last one counts where it does not end with a newline too.
  int64_t lines() const { return line_ - (column_ == 1 ? 1 : 0); }

 private:
  void Push(uint8_t byte);
  void Fault(int64_t column, absl::string_view code, absl::string_view message);

  const FaultSink sink_;
  Utf8State utf8_;
  int64_t line_ = 1;
  int64_t column_ = 1;     // of the next byte
  int64_t character_ = 1;  // column of the character that has begun
  bool found_ = false;     // a fault in this line
  bool blank_ = true;
};

}  // namespace strata
