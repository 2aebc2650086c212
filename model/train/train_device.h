#pragma once
// The device that a run's model is trained on, by its name in TrainRun: "cpu", or LibTorch's
// for another ("cuda:0").

#include <torch/torch.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace strata {

// UNAVAILABLE where it is not here or does not work: another attempt may find it again.
// INVALID_ARGUMENT for a name that is none.
absl::StatusOr<torch::Device> OpenTrainDevice(const std::string& name);

// The weights, before anything else looks into them. Errors as OpenTrainDevice, and
// RESOURCE_EXHAUSTED.
absl::Status MoveToTrainDevice(const std::string& name, torch::nn::Module* module);

}  // namespace strata
