// PRESET:TYPE:STEPS, as in block-45m:bf16:eager; TYPE fp32 or bf16, STEPS graphs or eager.
// STRATA_BENCH_DEVICE names the device: cuda:0, or cpu for a look at LibTorch there.

#include <cstdlib>

#include "model/base/status_macros.h"
#include "model/decode/tensor/load_tensor_model.h"
#include "model/nn/devices.h"
#include "tests/bench/bench_model.h"

namespace strata {

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadBenchModel(
    const std::string& version_dir, const std::vector<std::string>& options) {
  const char* named = std::getenv("STRATA_BENCH_DEVICE");
  const std::string device = named == nullptr ? "cuda:0" : named;
  TensorModelOptions types;
  types.bf16 = !options.empty() && options[0] == "bf16";
  types.graphs = options.size() < 2 || options[1] == "graphs";
  if (device != "cpu") {
    // Loads LibTorch's CUDA half.
    STRATA_ASSIGN_OR_RETURN(const auto found, CudaDevices());
    if (found.empty()) return absl::UnavailableError("there is no CUDA device");
    STRATA_ASSIGN_OR_RETURN(const int64_t free, FreeDeviceBytes(device));
    types.reserve_bytes = free / 16;
  }
  return TensorModelLoader({device}, types)(version_dir);
}

}  // namespace strata
