#pragma once
// The server names fields of the API; who typed a command knows its options.
// Pure functions.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace strata {

// "--lr" for "spec.learning_rate", "--stop" for "stop[2]"; empty where no option
// sets the field.
std::string FlagOfField(absl::string_view path);

// `message` with the options' names for those of `fields` (paths) that it begins
// with, and for every other path that cannot be a plain word:
//   max_tokens is 0; must be in [1, 64]  ->  --max-tokens is 0; must be in [1, 64]
std::string NameFlags(absl::string_view message, const std::vector<std::string>& fields);

}  // namespace strata
