#pragma once
// Small models of what a stack of layers has beside its layers, for the suites of both
// definitions: repeats, repeats of which items take as many as they need, layers that items
// may leave early, gates in place of residual sums, and two streams. In encoders that look
// ahead and that do not, in decoders of every level, with what a position scheme adds
// at an entrance; and in a tree below a full scope.

#include <string>
#include <vector>

#include "model/model_config.h"

namespace strata::testing {

inline LevelConfig StackLevel(int dim, int heads, int block) {
  LevelConfig level;
  level.dim = dim;
  level.heads = heads;
  level.ff_mult = 2;
  level.enc_layers = level.dec_layers = 1;
  level.enc_scope = level.dec_scope = Scope::kWindow;
  level.window = 9;
  level.block = block;
  return level;
}

inline std::vector<LevelConfig> StackLevels() {
  std::vector<LevelConfig> levels = {StackLevel(24, 3, 4), StackLevel(20, 2, 3),
                                     StackLevel(22, 1, 0)};
  levels[0].position = FindPositionScheme("sinusoidal");
  levels[1].enc_scope = Scope::kBidirBlock;
  levels[1].dec_scope = Scope::kBlock;
  levels[1].window = 0;
  levels[2].dec_scope = Scope::kFull;
  levels[2].dec_layers = 2;
  return levels;
}

inline std::vector<LevelConfig> StackTreeLevels() {
  std::vector<LevelConfig> levels = {StackLevel(20, 2, 5), StackLevel(24, 2, 0)};
  levels[0].dec_scope = Scope::kTree;
  levels[0].leaf = 3;
  levels[0].summaries = 2;
  levels[0].dec_layers = 2;
  levels[1].enc_layers = levels[1].window = 0;
  levels[1].dec_scope = Scope::kFull;
  return levels;
}

// Names of the models.
inline std::vector<std::string> StackConfigNames() {
  return {"repeats", "repeats-tree", "gates", "gates-tree", "halting", "halting-tree",
          "exits", "exits-tree", "reversible", "reversible-tree"};
}

// Those in which every item passes all layers.
inline std::vector<std::string> FullDepthStackConfigNames() {
  return {"repeats", "repeats-tree", "gates", "gates-tree", "reversible", "reversible-tree"};
}

inline ModelConfig StackConfig(const std::string& name) {
  const bool gates = name.find("gates") != std::string::npos;
  const bool halting = name.find("halting") != std::string::npos;
  const bool exits = name.find("exits") != std::string::npos;
  const bool two = name.find("reversible") != std::string::npos;
  const bool tree = name.find("tree") != std::string::npos;
  ModelConfig config;
  config.architecture = name;
  config.max_context = 4096;
  config.levels = tree ? StackTreeLevels() : StackLevels();
  if (exits) {
    config.levels[0].dec_layers = 4;
    config.levels[0].exits = 1;
  }
  int repeats = gates || exits || two ? 1 : 3;
  for (LevelConfig& level : config.levels) {
    level.repeats = repeats;
    repeats = halting ? 4 : 2;  // gates and repeats above the byte level
    if (gates) level.gate = GateKind::kGru;
    if (two) level.gate = GateKind::kReversible;
    if (halting) level.ponder = 0.01;
  }
  return config;
}

}  // namespace strata::testing
