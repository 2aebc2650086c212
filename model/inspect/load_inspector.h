#pragma once
// Opens version folders of models that generate for looking into them, with LibTorch
// on the CPU. Torch-free to include.

#include "model/inspector.h"

namespace strata {

// An InspectorLoader. `threads`: intra-op threads of an Inspect. Calls on one model
// take turns.
//   DATA_LOSS           a checksum differs or a file is malformed
//   INVALID_ARGUMENT    config or tensors do not describe a model
//   NOT_FOUND           a file is missing
//   RESOURCE_EXHAUSTED  no memory
// The message names the folder.
InspectorLoader TorchInspectorLoader(int threads);

}  // namespace strata
