#pragma once
// A small model of a scope of items, for the suites of both definitions: in an encoder,
// in decoders of every level, beside windows that fill what it leaves out; sizes that
// are no multiple of a vector and that the texts of the suites go far beyond.

#include <algorithm>
#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/random_config.h"

namespace strata::testing {

inline ModelConfig ScopeConfig(Scope scope) {
  ModelConfig config;
  config.architecture = std::string("scope-") + RuleOf(scope).name;
  config.max_context = 4096;
  config.levels.resize(3);
  const int dims[] = {24, 24, 20}, heads[] = {3, 2, 1}, blocks[] = {4, 3, 0};
  const int windows[] = {7, 5, 6}, sizes[] = {3, 2, 4};
  for (size_t l = 0; l < 3; ++l) {
    LevelConfig& level = config.levels[l];
    level.dim = dims[l];
    level.heads = heads[l];
    level.ff_mult = 2;
    level.block = blocks[l];
    level.window = windows[l];
    level.enc_layers = level.dec_layers = 1;
    level.enc_scope = l == 1 ? scope : Scope::kWindow;
    level.dec_scope = l == 1 ? Scope::kWindow : scope;
    SetScopeParameters(sizes[l], &level);
  }
  config.levels[2].dec_layers = 2;
  if (!ValidateModelConfig(config).ok()) config.reach = WidestReach(config);
  return config;
}

// Those with parameters of their own, and that which keeps sums.
inline std::vector<Scope> OtherScopes() {
  std::vector<Scope> scopes;
  for (const Scope scope : Scopes()) {
    const ScopeRule& rule = RuleOf(scope);
    if (rule.parameter != nullptr || rule.summed) scopes.push_back(scope);
  }
  return scopes;
}

}  // namespace strata::testing
