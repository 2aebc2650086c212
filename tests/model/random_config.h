#pragma once
// RandomConfig: a valid ModelConfig drawn from a seed, tiny in width: one to three
// levels, every scope, pool and bridge, blocks that are no power of two, windows
// down to the narrowest that leaves no blind spot, every position scheme. The reach is the widest that is
// true of it, so that the availability pass has something to prove to the byte. Two in
// three have n-gram heads.

#include <cstdint>

#include "model/model_config.h"

namespace strata::testing {

ModelConfig RandomConfig(uint64_t seed);

// How many the suites draw: seeds 1 to this. The long tests are the same sources
// compiled with more.
#ifdef STRATA_RANDOM_CONFIGS
inline constexpr uint64_t kRandomConfigs = STRATA_RANDOM_CONFIGS;
#else
inline constexpr uint64_t kRandomConfigs = 12;
#endif

}  // namespace strata::testing
