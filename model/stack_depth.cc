#include "model/stack_depth.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"

namespace strata {

absl::Status CheckDepth(const LevelConfig& level, const std::string& at) {
  const int deeper = std::max({level.enc_layers, level.dec_layers, 1});
  STRATA_RETURN_IF_ERROR(
      InRange(at + "repeats", level.repeats, 1, kMaxLayers / deeper));
  if (!(level.ponder >= 0 && level.ponder <= 1)) {
    return BadField(at + "ponder",
                    absl::StrCat("is ", level.ponder, "; must be in [0, 1]"));
  }
  if (level.ponder > 0 && level.repeats == 1) {
    return BadField(at + "ponder",
                    absl::StrCat("is ", level.ponder,
                                 "; must be 0 where repeats is 1: there is nothing to "
                                 "leave out"));
  }
  return absl::OkStatus();
}

ModelConfig Shallowest(ModelConfig config) {
  for (LevelConfig& level : config.levels) {
    if (level.ponder > 0) level.repeats = 1;
    level.ponder = 0;
  }
  return config;
}

}  // namespace strata
