#pragma once
// Where tests reach into a run; production passes the default. Torch-free.

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "model/trainer.h"

namespace strata {

struct TrainHooks {
  // After the backward pass of step `step`: may change the loss that the
  // non-finite policy sees.
  std::function<void(int64_t step, double* loss)> after_backward;
};

absl::Status RunTrainingWithHooks(const TrainRun& run, TrainObserver* observer,
                                  const TrainHooks& hooks);

}  // namespace strata
