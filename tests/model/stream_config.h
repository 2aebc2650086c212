#pragma once
// Small models with streams beside the decoder, for the suites of both definitions: one
// that sees everything and one with a window; streams whose items overlap, by factors
// that do and do not divide one another, over an encoder and gates; beside a tree, beside
// sums, and where all windows have an end; with positions that enter and that weigh.

#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/random_config.h"
#include "tests/model/stack_config.h"

namespace strata::testing {

// Names of the models.
inline std::vector<std::string> StreamConfigNames() {
  return {"streams", "streams-overlap", "streams-tree", "streams-linear",
          "streams-windows"};
}

inline ModelConfig StreamTestConfig(const std::string& name) {
  ModelConfig config;
  config.architecture = name;
  config.max_context = 4096;
  LevelConfig base = StackLevel(24, 3, 0);
  base.enc_layers = 0;
  base.dec_layers = 2;
  base.window = 6;
  if (name == "streams") {
    base.streams = {{4, 4, 20, 2, 0}, {2, 2, 16, 1, 5}};
    base.position = FindPositionScheme("sinusoidal");
  } else if (name == "streams-overlap") {
    base.enc_layers = 1;
    base.gate = GateKind::kGru;
    base.streams = {{6, 2, 18, 3, 4}, {3, 1, 12, 2, 7}, {8, 8, 22, 1, 0}};
    config.ngram_heads = 1;
  } else if (name == "streams-tree") {
    base.dec_scope = Scope::kTree;
    base.window = 0;
    base.enc_scope = Scope::kFull;
    base.leaf = 3;
    base.summaries = 2;
    base.streams = {{5, 5, 12, 1, 3}};
  } else if (name == "streams-linear") {
    base.dec_scope = Scope::kLinear;
    base.window = 0;
    base.enc_scope = Scope::kFull;
    base.streams = {{4, 2, 16, 2, 2}};
  } else {
    base.position = FindPositionScheme("transformer-xl");
    base.position_span = 3;
    base.window = 4;
    base.streams = {{3, 3, 16, 2, 18}, {4, 1, 14, 1, 2}};
    config.ngram_heads = 2;
  }
  config.levels = {base};
  if (name == "streams-windows") config.reach = WidestReach(config);
  return config;
}

}  // namespace strata::testing
