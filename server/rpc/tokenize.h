#pragma once
// Tokenize: what a client may send, and the tokens. Errors are those of the status
// table. Thread-safe.

#include "absl/status/statusor.h"
#include "server/registry/registry.h"
#include "server/rpc/compute_call.h"
#include "strata/v1/generation.pb.h"

namespace strata {

inline constexpr int64_t kMaxTokenizeBytes = 1 << 20;  // of a text

// Resolves the model and checks the request.
absl::StatusOr<Computation<v1::TokenizeResponse>> PrepareTokenize(
    const v1::TokenizeRequest& request, const ModelRegistry& registry);

}  // namespace strata
