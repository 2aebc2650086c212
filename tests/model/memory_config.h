#pragma once
// Small models that carry a memory from segment to segment, for the suites of both
// definitions: windows longer and shorter than a segment, in encoders and decoders of
// three levels with bridges that attend, repeats and gates; and scopes of blocks below
// dilated ones, with prefixes, an encoder that looks ahead and every way for a score to
// know its distance.

#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/bridge_config.h"
#include "tests/model/random_config.h"
#include "tests/model/stack_config.h"

namespace strata::testing {

// Names of the models.
inline std::vector<std::string> MemoryConfigNames() {
  return {"memory-windows", "memory-blocks", "memory-means"};
}

inline std::vector<LevelConfig> MemoryWindowLevels() {
  std::vector<LevelConfig> levels = {
      AttendingLevel(StackLevel(24, 3, 4), PoolKind::kAttention, 3),
      StackLevel(20, 2, 3), StackLevel(22, 1, 0)};
  levels[0].gate = GateKind::kGru;
  levels[1].repeats = 2;
  levels[1].position = FindPositionScheme("alibi");
  levels[2].dec_layers = 2;
  levels[2].window = 3;
  levels[2].position = FindPositionScheme("transformer-xl");
  levels[2].position_span = 2;
  return levels;
}

inline std::vector<LevelConfig> MemoryBlockLevels() {
  std::vector<LevelConfig> levels = {StackLevel(20, 2, 4), StackLevel(24, 2, 2),
                                     StackLevel(18, 3, 0)};
  levels[0].enc_scope = Scope::kBidirBlock;
  levels[0].dec_scope = Scope::kBlock;
  levels[0].window = 0;
  levels[0].bridge = BridgeKind::kPrefix;
  levels[0].prefix = 3;
  levels[1].dec_scope = Scope::kDilated;
  levels[1].dilation = 3;
  levels[1].window = 4;
  levels[1].position = FindPositionScheme("xpos");
  levels[1].position_span = 70;
  levels[2].window = 5;
  levels[2].position = FindPositionScheme("none");
  return levels;
}

// Means of runs that fill their windows and that do not, that fall in with units and
// that do not, fewer and more than there are; keys turned, scaled and left alone.
inline std::vector<LevelConfig> MemoryMeanLevels() {
  std::vector<LevelConfig> levels = {StackLevel(24, 3, 4), StackLevel(20, 2, 2),
                                     StackLevel(24, 2, 0)};
  const int windows[] = {9, 18, 4}, rates[] = {3, 2, 4}, items[] = {3, 20, 2};
  for (size_t l = 0; l < 3; ++l) {
    levels[l].window = windows[l];
    levels[l].memory = MemoryKind::kCompressive;
    levels[l].memory_rate = rates[l];
    levels[l].memory_items = items[l];
  }
  levels[0].enc_scope = Scope::kBidirBlock;
  levels[0].dec_layers = 2;
  levels[1].position = FindPositionScheme("xpos");
  levels[1].position_span = 70;
  levels[2].position = FindPositionScheme("shaw");
  levels[2].position_span = 5;
  return levels;
}

inline ModelConfig MemoryConfig(const std::string& name) {
  ModelConfig config;
  config.architecture = name;
  config.max_context = 4096;
  config.levels = name == "memory-windows"  ? MemoryWindowLevels()
                  : name == "memory-blocks" ? MemoryBlockLevels()
                                            : MemoryMeanLevels();
  for (LevelConfig& level : config.levels) {
    if (level.memory == MemoryKind::kNone) level.memory = MemoryKind::kSegment;
  }
  config.reach = WidestReach(config);
  return config;
}

}  // namespace strata::testing
