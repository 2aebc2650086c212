#pragma once
// Small models whose bridges attend, for the suites of both definitions: nested, over
// pools of every kind that has weights, with windows that fill no vector and that the
// texts of the suites go far beyond; and over units of different lengths.

#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/stack_config.h"

namespace strata::testing {

inline LevelConfig AttendingLevel(LevelConfig level, PoolKind pool, int window) {
  level.pool = pool;
  level.bridge = BridgeKind::kAttention;
  level.bridge_window = window;
  return level;
}

// Names of the models.
inline std::vector<std::string> BridgeConfigNames() {
  return {"bridge-attention", "bridge-words", "bridge-routed"};
}

inline ModelConfig BridgeConfig(const std::string& name) {
  ModelConfig config;
  config.architecture = name;
  config.max_context = 4096;
  LevelConfig top = StackLevel(22, 1, 0);
  top.dec_scope = Scope::kFull;
  if (name == "bridge-attention") {
    config.levels = {
        AttendingLevel(StackLevel(24, 3, 4), PoolKind::kAttention, 3),
        AttendingLevel(StackLevel(20, 2, 3), PoolKind::kConcat, 2), top};
    return config;
  }
  LevelConfig bytes = AttendingLevel(StackLevel(20, 2, 6), PoolKind::kLast, 4);
  bytes.block_min = 2;
  bytes.block_rule = BlockRule::kSpacelike;
  if (name == "bridge-routed") {
    bytes.block_rule = BlockRule::kRouter;
    bytes.block_mean = 3;
  }
  config.levels = {bytes, top};
  return config;
}

}  // namespace strata::testing
