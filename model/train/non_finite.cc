#include "model/train/non_finite.h"

#include <algorithm>
#include <cmath>

namespace strata {

NonFinitePolicy::Verdict NonFinitePolicy::Judge(double loss, double grad_norm,
                                                int64_t step,
                                                const DataWindow& rows) {
  std::erase_if(state_.recent, [step](const BadStep& bad) {
    return bad.step <= step - kRecentSteps;
  });
  if (std::isfinite(loss) && std::isfinite(grad_norm)) {
    state_.consecutive = 0;
    return Verdict::kUpdate;
  }
  ++state_.skipped_steps;
  ++state_.consecutive;
  state_.recent.push_back({step, rows});
  if (state_.consecutive < kMaxConsecutive &&
      state_.recent.size() <= kMaxRecent) {
    return Verdict::kSkip;
  }
  return state_.rollbacks < kMaxRollbacks ? Verdict::kRollBack
                                          : Verdict::kGiveUp;
}

void NonFinitePolicy::RolledBack(int64_t step) {
  for (const BadStep& bad : state_.recent) state_.skip.push_back(bad.rows);
  state_.recent.clear();
  state_.consecutive = 0;
  ++state_.rollbacks;
  state_.lr_scale *= 0.5;
  state_.rewarm_from = step;
}

}  // namespace strata
