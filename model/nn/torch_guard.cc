#include "model/nn/torch_guard.h"

#include <torch/torch.h>

#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace strata {
namespace {

// c10 appends a stack trace after the first line.
std::string FirstLine(absl::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

absl::Status StatusFromException(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string message = FirstLine(
      torch_error ? torch_error->what_without_backtrace() : error.what());
  // The CPU allocator throws a plain c10::Error, CUDA's its own class.
  const bool out_of_memory =
      dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
      dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
      absl::StrContains(message, "can't allocate memory") ||
      absl::StrContains(message, "not enough memory");
  if (out_of_memory) {
    return absl::ResourceExhaustedError(
        absl::StrCat("out of memory: ", message));
  }
  return absl::InternalError(message);
}

}  // namespace strata
