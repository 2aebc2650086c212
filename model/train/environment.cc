#include "model/train/environment.h"

#include <ATen/Version.h>
#include <malloc.h>
#include <torch/torch.h>

#include <climits>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos || colon + 2 > line.size()) break;
    return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace

void ConfigureTrainingProcess(int threads) {
  // Without it products on a GPU differ from run to run; read when CUDA is.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
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
  const Json json = {{"device", device},
                     {"threads", at::get_num_threads()},
                     {"cpu", CpuModel()},
                     {"isa", at::get_cpu_capability()},
                     {"dtype", "float32"},
                     {"torch", TORCH_VERSION},
                     {"deterministic", true}};
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
