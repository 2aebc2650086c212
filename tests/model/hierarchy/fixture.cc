#include "tests/model/hierarchy/fixture.h"

#include <gtest/gtest.h>

#include "model/presets.h"

namespace strata::testing {
namespace {

// One thread: the models are tiny, and threads that spin at barriers make the
// suite ten times slower on a busy machine.
class OneThread : public ::testing::Environment {
 public:
  void SetUp() override { at::set_num_threads(1); }
};
const auto* const kOneThread =
    ::testing::AddGlobalTestEnvironment(new OneThread);

LevelConfig Nested(int dim, int enc_layers, int window, int block) {
  LevelConfig level;
  level.dim = dim;
  level.heads = 2;
  level.ff_mult = 2;
  level.enc_layers = enc_layers;
  level.dec_layers = 1;
  level.dec_scope = block > 0 ? Scope::kWindow : Scope::kFull;
  level.window = window;
  level.block = block;
  return level;
}

ModelConfig ThreeLevels() {
  ModelConfig config;
  config.architecture = "block";
  config.levels = {Nested(16, 1, 8, 4), Nested(24, 1, 4, 3),
                   Nested(32, 0, 0, 0)};
  config.levels[2].dec_layers = 2;
  return config;
}

}  // namespace

std::vector<std::string> TestedModels() {
  return {"block-1m", "block-literal", "flat-1m", "three-levels", "tree-1m"};
}

ModelConfig TestedConfig(const std::string& name) {
  return name == "three-levels" ? ThreeLevels() : PresetConfig(name).value();
}

HierarchicalTransformer SharpModel(const ModelConfig& config,
                                   torch::ScalarType type,
                                   ShadowFaults faults) {
  HierarchicalTransformer model(config,
                                ModelOptions{.seed = 5, .faults = faults});
  torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) {
    if (parameter.dim() >= 2) parameter.mul_(3.0);
  }
  model->to(type);
  model->eval();
  return model;
}

torch::Tensor RandomBytes(int64_t batch, int64_t n, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return torch::randint(0, 256, {batch, n}, generator, torch::kInt64);
}

torch::Tensor Perturbed(const torch::Tensor& items, int64_t j) {
  auto changed = items.clone();
  changed[0][j] = (changed[0][j] + 77) % 256;
  return changed;
}

}  // namespace strata::testing
