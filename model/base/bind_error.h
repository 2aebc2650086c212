#pragma once
// Why an address cannot be listened on: libraries that bind sockets say that they
// could not, but not why.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace strata {

// UNAVAILABLE that names the flag, the address and the system's reason, which it
// finds by binding once more. `address` is HOST:PORT. Thread-safe.
absl::Status BindError(absl::string_view flag, const std::string& address);

}  // namespace strata
