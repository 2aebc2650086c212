#pragma once
// Opens version folders for decoding with LibTorch. Torch-free to include.

#include <string>
#include <vector>

#include "model/generator.h"

namespace strata {

// A ModelLoader whose models have a replica on each of `devices` ("cpu",
// "cuda:0", …), in the order of the workers. `early_exit`: as of CpuModelOptions. Errors
// as LoadCpuModel's; a name that is no device is INVALID_ARGUMENT.
ModelLoader TensorModelLoader(const std::vector<std::string>& devices,
                              bool early_exit = true);

}  // namespace strata
