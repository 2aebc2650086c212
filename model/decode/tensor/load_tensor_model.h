#pragma once
// Opens version folders for decoding with LibTorch. Torch-free to include.

#include <cstdint>
#include <string>
#include <vector>

#include "model/generator.h"

namespace strata {

struct TensorModelOptions {
  // As of CpuModelOptions.
  bool early_exit = true;
  // Weights and states in bf16, and what is computed from them; sums where LibTorch makes
  // them in more.
  bool bf16 = false;
  // Steps of one item a stream as CUDA graphs, where the model is covered
  // (model/decode/tensor/replay_step.h); where that fails on the device, a warning.
  bool graphs = true;
  // States of each CUDA device for which there is room from the start; more comes, and
  // graphs are recorded anew, as streams need it.
  int64_t reserve_bytes = 0;
};

// A ModelLoader whose models have a replica on each of `devices` ("cpu",
// "cuda:0", …), in the order of the workers. Errors as LoadCpuModel's; a
// name that is no device is INVALID_ARGUMENT.
ModelLoader TensorModelLoader(const std::vector<std::string>& devices,
                              const TensorModelOptions& options = {});

}  // namespace strata
