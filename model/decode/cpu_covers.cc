#include "model/decode/cpu_covers.h"

#include "absl/strings/str_cat.h"

namespace strata {

absl::Status CpuExecutorCovers(const ModelConfig& config) {
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    if (level.dec_layers > 0 && level.dec_scope == Scope::kTree) {
      return absl::UnimplementedError(absl::StrCat(
          "levels[", l, "].dec_scope: the CPU executor does not cover tree"));
    }
  }
  return absl::OkStatus();
}

}  // namespace strata
