#include "model/stack_depth.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"

namespace strata {
namespace {

absl::Status CheckExits(const LevelConfig& level, const std::string& at,
                        bool byte_level) {
  if (!(level.exit_tolerance > 0 && level.exit_tolerance <= 1)) {
    return BadField(at + "exit_tolerance",
                    absl::StrCat("is ", level.exit_tolerance, "; must be in (0, 1]"));
  }
  if (level.exits == 0) {
    const double otherwise = LevelConfig().exit_tolerance;
    if (level.exit_tolerance == otherwise) return absl::OkStatus();
    return BadField(at + "exit_tolerance",
                    absl::StrCat("is ", level.exit_tolerance, "; must be ", otherwise,
                                 " or left out where exits is 0: nobody leaves"));
  }
  if (!byte_level) {
    return BadField(at + "exits",
                    absl::StrCat("is ", level.exits,
                                 "; must be 0 above the byte level, whose contexts alone "
                                 "predict what an exit can be judged by"));
  }
  if (level.repeats > 1) {
    return BadField(at + "exits",
                    absl::StrCat("is ", level.exits,
                                 "; must be 0 where repeats is not 1: ponder is their "
                                 "way to stop early"));
  }
  if (level.dec_layers < 2) {
    return BadField(at + "exits",
                    absl::StrCat("is ", level.exits, "; must be 0 where dec_layers is ",
                                 level.dec_layers, ": there is no layer to leave before"));
  }
  return InRange(at + "exits", level.exits, 1, level.dec_layers - 1);
}

// Two streams, of which training keeps no state of a layer.
absl::Status CheckReversible(const LevelConfig& level, const std::string& at) {
  if (level.gate != GateKind::kReversible) return absl::OkStatus();
  const auto refused = [&](const char* what, const char* why) {
    return BadField(at + "gate", absl::StrCat("is reversible; must be another where ",
                                              what, ": ", why));
  };
  if (level.ponder > 0) {
    return refused("ponder is not 0", "items stop with the state of one stream");
  }
  if (level.exits > 0) {
    return refused("exits is not 0", "items leave with the state of one stream");
  }
  if (level.memory != MemoryKind::kNone) {
    return refused("memory is not none",
                   "layers are computed again when what was carried has moved on");
  }
  if (level.knn_layer > 0) {
    return refused("knn_layer is not 0", "what it finds would be looked for again");
  }
  if (!level.streams.empty()) {
    return refused("there are streams", "they enter after every layer");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDepth(const LevelConfig& level, const std::string& at,
                        bool byte_level) {
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
  STRATA_RETURN_IF_ERROR(CheckExits(level, at, byte_level));
  return CheckReversible(level, at);
}

ModelConfig Shallowest(ModelConfig config) {
  for (LevelConfig& level : config.levels) {
    if (level.ponder > 0) level.repeats = 1;
    level.ponder = 0;
    if (level.exits > 0) level.dec_layers = level.exits;
    level.exits = 0;
    level.knn_layer = level.knn_items = level.knn_neighbours = 0;
    level.knn_gate = KnnGate::kHead;
  }
  return config;
}

}  // namespace strata
