#pragma once
// RandomConfig: a valid ModelConfig drawn from a seed, tiny in width: one to three
// levels, every scope, pool, bridge and position scheme, blocks that are no power of two,
// windows down to the narrowest that leaves no blind spot, repeats with and without
// halting, exits, gates and two streams, streams beside a decoder, memories, neighbours
// behind windows, attention of training to buckets. The reach is the widest that is true of
// it, so that the availability pass has something to prove to the byte. Two in three have
// n-gram heads.

#include <cstdint>

#include "model/model_config.h"

namespace strata::testing {

ModelConfig RandomConfig(uint64_t seed);

// The most bytes of the past that every prediction sees, of so many: 0 where there is
// a blind spot next to it. More than four layers of nine units of 5 x 5 bytes.
inline constexpr int64_t kWidestReach = 1200;
int64_t WidestReach(const ModelConfig& config);

// Gives what a level's scopes need beside window and block: `size`, or the least.
void SetScopeParameters(int size, LevelConfig* level);

// How many the suites draw: seeds 1 to this. STRATA_RANDOM_CONFIGS of the environment,
// which the long runs of the same binaries set; else a dozen.
uint64_t RandomConfigs();
// Whether it is set.
bool InALongRun();

}  // namespace strata::testing
