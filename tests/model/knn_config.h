#pragma once
// Small models with memories of neighbours, for the suites of both definitions: in the
// first, a middle and the last layer of a decoder and in the only one, of more and of
// fewer items than a vector of slots holds, of all that are looked among and of one; with
// gates that know the context and that do not, on all levels, with gates in place of sums,
// items that leave early, and the ways in which keys are turned and scores know distances.

#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/random_config.h"
#include "tests/model/stack_config.h"

namespace strata::testing {

inline std::vector<std::string> KnnConfigNames() {
  return {"knn", "knn-context", "knn-words"};
}

inline LevelConfig WithNeighbours(LevelConfig level, int layer, int items, int neighbours,
                                  KnnGate gate) {
  level.dec_scope = Scope::kWindow;
  level.knn_layer = layer;
  level.knn_items = items;
  level.knn_neighbours = neighbours;
  level.knn_gate = gate;
  return level;
}

inline std::vector<LevelConfig> KnnLevels() {
  std::vector<LevelConfig> levels = {
      WithNeighbours(StackLevel(24, 3, 4), 2, 7, 3, KnnGate::kHead),
      WithNeighbours(StackLevel(20, 2, 3), 1, 3, 3, KnnGate::kContext),
      WithNeighbours(StackLevel(22, 1, 0), 2, 20, 1, KnnGate::kHead)};
  levels[0].dec_layers = 2;
  levels[0].window = 5;
  levels[1].window = 4;
  levels[1].gate = GateKind::kGru;
  levels[1].position = FindPositionScheme("alibi");
  levels[2].dec_layers = 3;
  levels[2].window = 3;
  levels[2].position = FindPositionScheme("transformer-xl");
  levels[2].position_span = 2;
  return levels;
}

inline std::vector<LevelConfig> KnnContextLevels() {
  std::vector<LevelConfig> levels = {
      WithNeighbours(StackLevel(24, 2, 5), 2, 30, 4, KnnGate::kContext),
      WithNeighbours(StackLevel(20, 2, 0), 1, 9, 2, KnnGate::kContext)};
  levels[0].dec_layers = 3;
  levels[0].exits = 1;
  levels[0].window = 6;
  levels[0].position = FindPositionScheme("xpos");
  levels[0].position_span = 70;
  levels[1].window = 2;
  levels[1].position = FindPositionScheme("adaptive-span");
  levels[1].position_span = 64;  // a ramp of 8
  return levels;
}

// Below a level that sees everything.
inline std::vector<LevelConfig> KnnWordLevels() {
  std::vector<LevelConfig> levels = {
      WithNeighbours(StackLevel(20, 2, 6), 1, 21, 5, KnnGate::kHead),
      StackLevel(24, 2, 0)};
  levels[0].block_rule = BlockRule::kSpacelike;
  levels[0].block_min = 2;
  levels[0].pool = PoolKind::kLast;
  levels[0].window = 7;
  levels[1].dec_scope = Scope::kFull;
  return levels;
}

inline ModelConfig KnnConfig(const std::string& name) {
  ModelConfig config;
  config.architecture = name;
  config.max_context = 4096;
  config.levels = name == "knn"           ? KnnLevels()
                  : name == "knn-context" ? KnnContextLevels()
                                          : KnnWordLevels();
  if (name != "knn-words") config.reach = WidestReach(config);
  return config;
}

}  // namespace strata::testing
