#include "model/knn_rule.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"

namespace strata {
namespace {

// Training forms the scores of all of them.
constexpr int kMaxKnnItems = 1 << 16;
constexpr int kMaxNeighbours = 256;

// Where there is no memory.
absl::Status ValidateNone(const LevelConfig& level, const std::string& at) {
  STRATA_RETURN_IF_ERROR(InRange(at + "knn_items", level.knn_items, 0, 0));
  STRATA_RETURN_IF_ERROR(InRange(at + "knn_neighbours", level.knn_neighbours, 0, 0));
  if (level.knn_gate == KnnGate::kHead) return absl::OkStatus();
  return BadField(at + "knn_gate", "must be head where knn_layer is 0: there is no gate");
}

absl::Status Refuse(const std::string& field, const std::string& why) {
  return BadField(field, absl::StrCat(why, " where knn_layer is not 0"));
}

// What the layer, or its level, cannot have beside it.
absl::Status ValidateCompany(const LevelConfig& level, const std::string& at) {
  if (level.dec_scope != Scope::kWindow) {
    return BadField(at + "dec_scope",
                    absl::StrCat("is ", RuleOf(level.dec_scope).name,
                                 "; must be window where knn_layer is not 0, whose "
                                 "memory is of what has left one"));
  }
  if (level.repeats != 1) {
    return BadField(at + "repeats",
                    absl::StrCat("is ", level.repeats,
                                 "; must be 1 where knn_layer is not 0: a memory is of "
                                 "one run of its layer"));
  }
  if (level.memory == MemoryKind::kCompressive) {
    return BadField(at + "memory",
                    "is compressive; must be none or segment where knn_layer is not 0: "
                    "what leaves the window would be kept as means and as it is");
  }
  if (level.trained_attention != TrainedAttention::kExact) {
    return Refuse(at + "trained_attention", "must be exact");
  }
  if (!level.streams.empty()) return Refuse(at + "streams", "must be empty");
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateKnn(const ModelConfig& config) {
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const std::string at = absl::StrCat("levels[", l, "].");
    STRATA_RETURN_IF_ERROR(
        InRange(at + "knn_layer", level.knn_layer, 0, level.dec_layers));
    if (level.knn_layer == 0) {
      STRATA_RETURN_IF_ERROR(ValidateNone(level, at));
      continue;
    }
    STRATA_RETURN_IF_ERROR(ValidateCompany(level, at));
    STRATA_RETURN_IF_ERROR(
        InRange(at + "knn_items", level.knn_items, 1, kMaxKnnItems));
    STRATA_RETURN_IF_ERROR(InRange(at + "knn_neighbours", level.knn_neighbours, 1,
                                   std::min(level.knn_items, kMaxNeighbours)));
  }
  return absl::OkStatus();
}

}  // namespace strata
