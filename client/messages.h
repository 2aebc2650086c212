#pragma once
// Conversations as JSON: {"messages": [{"role": …, "content": …}, …]}, or the
// list alone.

#include <string>

#include "absl/status/status.h"
#include "strata/v1/generation.pb.h"

namespace strata {

// INVALID_ARGUMENT says what is missing where.
absl::Status ParseMessages(const std::string& json, v1::Messages* messages);

}  // namespace strata
