#pragma once
// The plug-in of CUDA graphs (model/cuda), opened on need. Thread-safe.

#include <memory>

#include "absl/status/statusor.h"
#include "model/decode/tensor/recorder.h"

namespace strata {

// A recorder of the CUDA device that is current when it records. UNAVAILABLE, with the
// reason, where the plug-in was not built or cannot be loaded. REQUIRES: CudaDevices()
// has found a device.
absl::StatusOr<std::unique_ptr<Recorder>> NewCudaRecorder();

}  // namespace strata
