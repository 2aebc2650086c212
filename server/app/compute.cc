#include "server/app/compute.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/datastore/datastore.h"
#include "model/decode/load_model.h"
#include "model/decode/tensor/load_tensor_model.h"
#include "model/document/load_document.h"
#include "model/inspect/load_inspector.h"
#include "model/nn/devices.h"
#include "server/app/host_limits.h"

namespace strata {
namespace {

constexpr char kTensorCpu[] = "cpu";  // LibTorch's name for it
// Of the memory for states, what each model on a device has from the start: several
// versions must fit.
constexpr int64_t kReservedPart = 8;

absl::Status BadDevices(absl::string_view flag, const std::string& devices,
                        absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": \"", devices, "\": ", why));
}

bool WantsCuda(const std::string& devices) { return absl::StartsWith(devices, "cuda"); }

// Those of the machine, tried out; where the CPU will do, a broken one is a
// warning.
absl::StatusOr<std::vector<std::string>> FindCuda(const Flags& flags) {
  const bool must = WantsCuda(flags.devices) || WantsCuda(flags.trainer_devices);
  if (!must && flags.devices != "auto") return std::vector<std::string>();
  auto found = CudaDevices();
  if (found.ok() || must) return found;
  Log(Severity::kWarning, "no CUDA device can be used",
      {{"error", found.status().message()}});
  return std::vector<std::string>();
}

struct DevicesFlag {
  absl::string_view name;
  absl::string_view others;  // what else it may be
};

// Those that `devices` names: all, or some one by one.
absl::StatusOr<std::vector<std::string>> ChooseCuda(
    const DevicesFlag& flag, const std::string& devices,
    const std::vector<std::string>& cuda) {
  if (devices == "cuda") {
    if (cuda.empty()) return BadDevices(flag.name, devices, "there is no CUDA device");
    return cuda;
  }
  std::vector<std::string> chosen = absl::StrSplit(devices, ',');
  for (const std::string& device : chosen) {
    if (!absl::StartsWith(device, "cuda:")) {
      return BadDevices(flag.name, devices,
                        absl::StrCat("must be ", flag.others,
                                     ", cuda, or cuda:N,cuda:N,…"));
    }
    if (std::find(cuda.begin(), cuda.end(), device) == cuda.end()) {
      return BadDevices(flag.name, devices,
                        absl::StrCat(device, " is not here; there is ",
                                     cuda.empty() ? "none" : "only ",
                                     absl::StrJoin(cuda, ",")));
    }
    if (std::count(chosen.begin(), chosen.end(), device) > 1) {
      return BadDevices(flag.name, devices, absl::StrCat(device, " is named twice"));
    }
  }
  return chosen;
}

// Every worker has a device of its own, so the tightest decides. A quarter of
// what is free: the pool of states is there twice and a half while it grows.
absl::StatusOr<int64_t> DeviceBudget(const std::vector<std::string>& devices) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const std::string& device : devices) {
    STRATA_ASSIGN_OR_RETURN(const int64_t bytes, FreeDeviceBytes(device));
    least = std::min(least, bytes);
  }
  return least / 4;
}

absl::StatusOr<ModelLoader> CpuLoader(const Flags& flags) {
  CpuModelOptions types;
  STRATA_ASSIGN_OR_RETURN(types.cache, ParseCacheType(flags.kv_dtype));
  types.fastest_weights = flags.dtype == "auto";
  if (!types.fastest_weights) {
    STRATA_ASSIGN_OR_RETURN(types.weights, ParseWeightType(flags.dtype));
  }
  types.early_exit = flags.early_exit == "on";
  return ModelLoader(
      [types](const std::string& dir) { return LoadCpuModel(dir, types); });
}

absl::StatusOr<ModelLoader> DeviceLoader(const Flags& flags,
                                         const std::vector<std::string>& devices,
                                         bool on_cuda, int64_t state_memory) {
  if (flags.dtype == "int8") {
    return absl::InvalidArgumentError(
        "--dtype: \"int8\" is a type of the CPU's executor alone (--devices cpu)");
  }
  TensorModelOptions options;
  options.early_exit = flags.early_exit == "on";
  options.graphs = flags.cuda_graphs == "on";
  options.bf16 = flags.dtype == "bf16" || (flags.dtype == "auto" && on_cuda);
  options.reserve_bytes = state_memory / kReservedPart;
  return TensorModelLoader(devices, options);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ChooseDevices(
    const std::string& devices, const std::vector<std::string>& cuda) {
  if (devices == "cpu") return std::vector<std::string>();
  if (devices == "auto") return cuda;
  if (devices == "tensor") return std::vector<std::string>{kTensorCpu};
  return ChooseCuda({"--devices", "auto, cpu, tensor"}, devices, cuda);
}

absl::StatusOr<std::vector<std::string>> ChooseTrainerDevices(
    const std::string& devices, const std::vector<std::string>& decode,
    const std::vector<std::string>& cuda) {
  if (devices == "auto" && !decode.empty()) return decode;
  if (devices == "auto" || devices == "cpu") return std::vector<std::string>{"cpu"};
  return ChooseCuda({"--trainer-devices", "auto, cpu"}, devices, cuda);
}

absl::StatusOr<Compute> PlanCompute(const Flags& flags) {
  STRATA_ASSIGN_OR_RETURN(const auto cuda, FindCuda(flags));
  STRATA_ASSIGN_OR_RETURN(const auto devices,
                          ChooseDevices(flags.devices, cuda));
  const bool on_cuda = !devices.empty() && devices[0] != kTensorCpu;
  Compute compute;
  STRATA_ASSIGN_OR_RETURN(compute.trainer_devices,
                          ChooseTrainerDevices(flags.trainer_devices, devices, cuda));
  if (on_cuda) compute.decode_devices = devices;
  EngineOptions& engine = compute.engine;
  engine.workers = devices.empty() ? flags.workers : devices.size();
  engine.threads_per_worker =
      flags.threads > 0 ? flags.threads
                        : std::max<int64_t>(1, CpuLimit() / engine.workers);
  engine.state_memory_bytes = flags.state_memory;
  engine.state_memory_per_worker = on_cuda;
  if (flags.state_memory == 0 && on_cuda) {
    STRATA_ASSIGN_OR_RETURN(engine.state_memory_bytes, DeviceBudget(devices));
  } else if (flags.state_memory == 0) {
    engine.state_memory_bytes = MemoryLimitBytes() / 2;
  }
  if (devices.empty()) {
    STRATA_ASSIGN_OR_RETURN(compute.loader, CpuLoader(flags));
  } else {
    STRATA_ASSIGN_OR_RETURN(
        compute.loader,
        DeviceLoader(flags, devices, on_cuda, engine.state_memory_bytes));
  }
  compute.classifier_loader = DocumentLoader(engine.threads_per_worker);
  compute.inspector_loader = TorchInspectorLoader(engine.threads_per_worker);
  compute.neighbours_loader = [most = flags.datastore_memory](
                                  const std::string& dir, const ModelConfig& config) {
    return LoadDatastore(dir, config, most);
  };
  return compute;
}

}  // namespace strata
