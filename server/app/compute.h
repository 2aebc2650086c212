#pragma once
// Compute: what decodes, by --devices: the CPU's own executor, LibTorch on the
// CPU, or LibTorch on CUDA devices with one worker each; and what trains, by
// --trainer-devices. Pure but for looking at the machine.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/classifier.h"
#include "model/generator.h"
#include "model/inspector.h"
#include "model/neighbours.h"
#include "server/app/flags.h"
#include "server/engine/engine.h"

namespace strata {

// What `devices` (the flag's text) stands for on a machine with these CUDA
// devices: names for LibTorch, one a worker; empty: the CPU's own executor.
// INVALID_ARGUMENT names the flag, and a device that is not there.
absl::StatusOr<std::vector<std::string>> ChooseDevices(
    const std::string& devices, const std::vector<std::string>& cuda);

// Likewise of --trainer-devices: the names of what trains, not empty. `decode`: what
// ChooseDevices gave.
absl::StatusOr<std::vector<std::string>> ChooseTrainerDevices(
    const std::string& devices, const std::vector<std::string>& decode,
    const std::vector<std::string>& cuda);

struct Compute {
  ModelLoader loader;
  // On the CPU, whatever the devices.
  ClassifierLoader classifier_loader;
  InspectorLoader inspector_loader;
  NeighboursLoader neighbours_loader;
  // Workers, their threads and the budget of states; nothing else is set.
  EngineOptions engine;
  std::vector<std::string> trainer_devices;  // as TrainRun names them; not empty
  std::vector<std::string> decode_devices;   // likewise; none of them is the CPU
};

absl::StatusOr<Compute> PlanCompute(const Flags& flags);

}  // namespace strata
