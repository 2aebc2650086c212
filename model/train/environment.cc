#include "model/train/environment.h"

#include <ATen/Version.h>
#include <malloc.h>
#include <torch/torch.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

// A server keeps a quarter of a device's memory for states, and needs two and a half times
// that while their pool grows.
constexpr char kMemoryBesideStreams[] = "per_process_memory_fraction:0.3";

// Of the first line "NAME : value" of a file; empty where there is none.
std::string ValueOf(const std::string& path, absl::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!absl::StartsWith(line, name)) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) break;
    return std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return "";
}

std::string CpuModel() {
  const std::string model = ValueOf("/proc/cpuinfo", "model name");
  return model.empty() ? "unknown" : model;
}

// Of the first GPU: a host has one kind, mostly. Empty where the driver does not say.
std::string GpuModel() {
  std::error_code ignored;
  for (const auto& gpu :
       std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", ignored)) {
    const std::string model = ValueOf(gpu.path() / "information", "Model");
    if (!model.empty()) return model;
  }
  return "";
}

}  // namespace

void ConfigureTrainingProcess(const TrainRun& run) {
  // Both are read when CUDA is. Without the first not even products on a GPU are the same
  // from run to run.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  if (run.shares_device) {
    setenv("PYTORCH_CUDA_ALLOC_CONF", kMemoryBesideStreams, /*overwrite=*/0);
  }
  const int threads = run.spec.threads;
  at::set_num_threads(threads);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  // Activations of a step are freed and asked for again in the same sizes.
  // glibc refuses thresholds above a limit that depends on its version.
  if (mallopt(M_MMAP_THRESHOLD, 1 << 30) == 0) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
  }
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

std::string EnvironmentJson(const std::string& device) {
  const bool on_cpu = device == "cpu";
  Json json = {{"device", device.substr(0, device.find(':'))},
               {"threads", at::get_num_threads()},
               {"cpu", CpuModel()},
               {"isa", at::get_cpu_capability()},
               {"dtype", "float32"},
               {"torch", TORCH_VERSION},
               {"deterministic", on_cpu}};
  if (!on_cpu) json["gpu"] = GpuModel();
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string EnvironmentDifference(absl::string_view before,
                                  absl::string_view after) {
  const Json a = Json::parse(before.begin(), before.end(), nullptr, false);
  const Json b = Json::parse(after.begin(), after.end(), nullptr, false);
  if (!a.is_object() || !b.is_object()) return a == b ? "" : "unreadable";
  std::vector<std::string> parts;
  for (const auto& item : b.items()) {
    const Json old = a.contains(item.key()) ? a[item.key()] : Json();
    if (old == item.value()) continue;
    parts.push_back(
        absl::StrCat(item.key(), ": ", old.dump(), " -> ", item.value().dump()));
  }
  return absl::StrJoin(parts, ", ");
}

}  // namespace strata
