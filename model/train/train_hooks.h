#pragma once
// Where tests reach into a run; production passes the default. Torch-free.

#include <functional>

#include "absl/status/status.h"
#include "model/train/train_state.h"
#include "model/trainer.h"

namespace strata {

struct TrainHooks {
  // After the backward pass of the step that follows `state`: may change the loss
  // that the non-finite policy sees.
  std::function<void(const TrainState& state, double* loss)> after_backward;
};

absl::Status RunTrainingWithHooks(const TrainRun& run, TrainObserver* observer,
                                  const TrainHooks& hooks);

}  // namespace strata
