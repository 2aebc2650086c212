#pragma once
// Shadow availability pass: a proof, at load time, that a config neither leaks
// a byte of the future nor hides one of the past inside its declared reach.
// Sets of bytes ("which bytes reach this item") flow through the same graph and
// the same masks (model/scope_rule.h) that the tensors use.
// reference: own; see model/README.md. Pure functions, thread-safe.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/model_config.h"

namespace strata {

// Faults to plant for negative controls in tests; production uses the default.
struct ShadowFaults {
  bool no_block_shift = false;      // o[i / block + 1] instead of o[i / block]
  bool skip_bidirectional = false;  // skip = h although the encoder looks ahead
  bool tree_node_early = false;     // a leaf's nodes already inside the leaf
  bool stream_item_early = false;   // item i / s + 1 of a stream, but at its own place
};

// reach[t][j] != 0: byte j can influence the prediction of byte t, for
// t, j in [0, bytes).
std::vector<std::vector<uint8_t>> Availability(const ModelConfig& config,
                                               int64_t bytes,
                                               ShadowFaults faults = {});

// OK, or INVALID_ARGUMENT "leak: byte J reaches the prediction of byte T" /
// "blind spot: ...". Looks at max(2 * S_top + 3, reach + 3) bytes, capped where
// the pattern has become periodic, and at the first leaves of a tree.
absl::Status CheckAvailability(const ModelConfig& config,
                               ShadowFaults faults = {});

}  // namespace strata
