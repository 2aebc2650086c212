#pragma once
// Learning rate as a pure function of the step: nothing to store, nothing that a
// resumed run could get wrong. Linear warm-up, then a cosine down to
// min_lr_ratio, which the last step reaches. Thread-safe.

#include <cstdint>

#include "model/train_spec.h"

namespace strata {

// Steps of the ramp that follows a rollback (model/train/non_finite.h).
inline constexpr int64_t kRewarmSteps = 50;

// For the optimizer step of index `step` in [0, spec.steps). REQUIRES a
// resolved spec (warmup_steps >= 0).
double LearningRate(const TrainSpec& spec, int64_t step);

// Factor of a run that was rolled back to `rewarm_from` (-1 = never) and goes
// on at `scale` of the scheduled rate.
double RollbackFactor(double scale, int64_t rewarm_from, int64_t step);

}  // namespace strata
