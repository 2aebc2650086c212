// PRESET:WEIGHTS:KV, as in flat-25m:bf16:fp32.

#include "model/base/status_macros.h"
#include "model/decode/cpu_options.h"
#include "model/decode/load_model.h"
#include "tests/bench/bench_model.h"

namespace strata {

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadBenchModel(
    const std::string& version_dir, const std::vector<std::string>& options) {
  CpuModelOptions types{WeightType::kFull, CacheType::kFp16};
  if (!options.empty()) {
    STRATA_ASSIGN_OR_RETURN(types.weights, ParseWeightType(options[0]));
  }
  if (options.size() > 1) {
    STRATA_ASSIGN_OR_RETURN(types.cache, ParseCacheType(options[1]));
  }
  return LoadCpuModel(version_dir, types);
}

}  // namespace strata
