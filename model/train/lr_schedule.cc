#include "model/train/lr_schedule.h"

#include <algorithm>
#include <cmath>

namespace strata {

double LearningRate(const TrainSpec& spec, int64_t step) {
  const int64_t warmup = std::max<int64_t>(spec.warmup_steps, 0);
  if (step < warmup) {
    return spec.learning_rate * static_cast<double>(step + 1) /
           static_cast<double>(warmup);
  }
  const int64_t span = std::max<int64_t>(spec.steps - 1 - warmup, 1);
  const double progress = std::clamp(
      static_cast<double>(step - warmup) / static_cast<double>(span), 0.0, 1.0);
  const double cosine = 0.5 * (1.0 + std::cos(M_PI * progress));
  return spec.learning_rate *
         (spec.min_lr_ratio + (1.0 - spec.min_lr_ratio) * cosine);
}

double RollbackFactor(double scale, int64_t rewarm_from, int64_t step) {
  if (rewarm_from < 0) return scale;
  const double ramp = static_cast<double>(step - rewarm_from + 1) /
                      static_cast<double>(kRewarmSteps);
  return scale * std::clamp(ramp, 0.0, 1.0);
}

}  // namespace strata
