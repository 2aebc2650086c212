#pragma once
// Classify and Embed: what a client may send, what is computed of it, and the
// answer. PrepareX resolves the model and checks the request; errors are those of
// the status table. Thread-safe.

#include "absl/status/statusor.h"
#include "server/registry/registry.h"
#include "server/rpc/compute_call.h"
#include "strata/v1/generation.pb.h"

namespace strata {

inline constexpr int kMaxTexts = 256;  // of one call

// An answer that would be larger than `max_bytes` is INVALID_ARGUMENT.
absl::StatusOr<Computation<v1::ClassifyResponse>> PrepareClassify(
    const v1::ClassifyRequest& request, const ModelRegistry& registry,
    int64_t max_bytes);
absl::StatusOr<Computation<v1::EmbedResponse>> PrepareEmbed(
    const v1::EmbedRequest& request, const ModelRegistry& registry,
    int64_t max_bytes);

}  // namespace strata
