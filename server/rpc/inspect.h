#pragma once
// Inspect: what a client may send, what is computed of it, and the answer. Errors
// are those of the status table. Thread-safe.

#include "absl/status/statusor.h"
#include "server/registry/inspector_cache.h"
#include "server/registry/registry.h"
#include "server/rpc/compute_call.h"
#include "strata/v1/inspect.pb.h"

namespace strata {

struct InspectLimits {
  int64_t max_text_bytes = 0;
  int64_t max_answer_bytes = 0;  // a larger one is INVALID_ARGUMENT
};

// Resolves the model and checks the request. `cache` outlives the computation.
absl::StatusOr<Computation<v1::InspectResponse>> PrepareInspect(
    const v1::InspectRequest& request, const ModelRegistry& registry,
    const InspectLimits& limits, InspectorCache* cache);

}  // namespace strata
