#pragma once
// Shared by the short and the long kill tests.

#include <cstdint>

#include "model/trainer.h"

namespace strata::testing {

// Trains once in peace and once with `kills` SIGKILLs at random moments (also in
// loading, evaluation and saving) or stops, and expects one hash.
void ExpectKillsChangeNothing(int kills, uint64_t seed);
// The same of a run of the caller's.
void ExpectKillsChangeNothing(TrainRun run, int kills, uint64_t seed);

// Starts a trainer process of the run and ends it at a random moment: waits for some
// events, then for some microseconds, so that kills hit every phase: loading, steps,
// evaluations, the writing of a checkpoint. One in three is a stop, which saves first.
// REQUIRES: the run lives longer than that.
void KillSomewhere(const TrainRun& run, uint64_t seed, uint64_t kill);

// Makes the checkpoint of `step` claim another CPU, manifest included.
void RewriteEnvironment(const TrainRun& run, int64_t step);

}  // namespace strata::testing
