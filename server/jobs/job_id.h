#pragma once
// Names of jobs and of server incarnations. Thread-safe.

#include <cstdint>
#include <string>

#include "model/train_spec.h"

namespace strata {

// UUIDv7 (RFC 9562): 48 bits of milliseconds, 74 random bits.
std::string NewUuidV7(int64_t wall_ms);

// SHA-256 of what the request says: its TrainSpec as JSON in a fixed order,
// without the fields that have their default value, so that a field added later
// does not change the hash of an old request.
std::string SpecHash(const TrainSpec& request);

}  // namespace strata
