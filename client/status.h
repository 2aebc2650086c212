#pragma once
// Errors of calls as one line for a person: the server's message, with options
// in the place of the fields that they set, the fields that it names besides, the
// code and the reason.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "grpcpp/support/status.h"

namespace strata {

// The same code; the message is one line, e.g.
//   --top-k is -1; must be in [0, 260] [INVALID_ARGUMENT: INVALID_FIELD]
// At most five field violations are spelt out, the rest is counted.
absl::Status FromGrpc(const grpc::Status& status);

// "NOT_FOUND"; the number for an unknown code.
std::string CodeName(grpc::StatusCode code);

// Whether the same call may succeed later or elsewhere: the connection was lost,
// or the server is starting or draining.
bool IsTransient(grpc::StatusCode code);

}  // namespace strata
