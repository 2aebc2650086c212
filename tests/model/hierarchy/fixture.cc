#include "tests/model/hierarchy/fixture.h"

#include <gtest/gtest.h>

#include <cstring>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "model/presets.h"
#include "tests/model/option_configs.h"
#include "tests/model/position_config.h"
#include "tests/model/random_config.h"
#include "tests/model/scope_config.h"
#include "tests/model/small_presets.h"

namespace strata::testing {
namespace {

constexpr char kRandom[] = "random-";
constexpr char kPosition[] = "position-";
constexpr char kScope[] = "scope-";

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
  std::vector<std::string> names(std::begin(kSmallPresets),
                                 std::end(kSmallPresets));
  names.push_back("three-levels");
  for (const PositionScheme* scheme : OtherPositionSchemes()) {
    names.push_back(absl::StrCat(kPosition, scheme->name));
  }
  for (const Scope scope : OtherScopes()) {
    names.push_back(absl::StrCat(kScope, RuleOf(scope).name));
  }
  for (const OptionFamily& family : kOptionFamilies) {
    for (const std::string& option : family.names()) names.push_back(option);
  }
  for (uint64_t seed = 1; seed <= RandomConfigs(); ++seed) {
    names.push_back(absl::StrCat(kRandom, seed));
  }
  return names;
}

ModelConfig TestedConfig(const std::string& name) {
  uint64_t seed = 0;
  if (absl::StartsWith(name, kRandom) &&
      absl::SimpleAtoi(name.substr(strlen(kRandom)), &seed)) {
    return RandomConfig(seed);
  }
  if (absl::StartsWith(name, kPosition)) {
    return PositionConfig(*FindPositionScheme(name.substr(strlen(kPosition))));
  }
  for (const Scope scope : OtherScopes()) {
    if (name == absl::StrCat(kScope, RuleOf(scope).name)) return ScopeConfig(scope);
  }
  for (const OptionFamily& family : kOptionFamilies) {
    for (const std::string& option : family.names()) {
      if (name == option) return family.make(option);
    }
  }
  return name == "three-levels" ? ThreeLevels() : PresetConfig(name).value();
}

HierarchicalTransformer SharpModel(const ModelConfig& config,
                                   torch::ScalarType type,
                                   ShadowFaults faults) {
  HierarchicalTransformer model(config,
                                ModelOptions{.seed = 5, .faults = faults});
  torch::NoGradGuard no_grad;
  for (auto& entry : model->named_parameters()) {
    if (entry.value().dim() >= 2) entry.value().mul_(3.0);
    if (absl::EndsWith(entry.key(), "position.span")) entry.value()[0] = 1.0;
  }
  model->to(type);
  model->eval();
  return model;
}

HierarchicalTransformer Unrolled(HierarchicalTransformer model) {
  ModelConfig config = model->config();
  for (LevelConfig& level : config.levels) {
    level.enc_layers = EncoderRuns(level);
    level.dec_layers = DecoderRuns(level);
    level.repeats = 1;
  }
  HierarchicalTransformer unrolled(config);
  unrolled->to(model->parameters()[0].scalar_type());
  unrolled->eval();
  torch::NoGradGuard no_grad;
  const auto from = model->named_parameters();
  for (const auto& entry : from) {
    if (absl::EndsWith(entry.key(), ".repeat")) entry.value().zero_();
  }
  for (const auto& entry : unrolled->named_parameters()) {
    std::vector<std::string> parts = absl::StrSplit(entry.key(), '.');
    if (parts.size() > 4 && (parts[2] == "enc" || parts[2] == "dec")) {
      const LevelConfig& level = model->config().levels[std::stoul(parts[1])];
      const int layers = parts[2] == "enc" ? level.enc_layers : level.dec_layers;
      parts[3] = std::to_string(std::stoi(parts[3]) % layers);
    }
    entry.value().copy_(from[absl::StrJoin(parts, ".")]);
  }
  return unrolled;
}

HierarchicalTransformer WeightsIn(const ModelConfig& config,
                                  HierarchicalTransformer model) {
  torch::NoGradGuard no_grad;
  HierarchicalTransformer other(config);
  other->to(torch::kDouble);
  other->eval();
  const auto from = model->named_parameters();
  for (const auto& entry : other->named_parameters()) {
    entry.value().copy_(from[entry.key()]);
  }
  return other;
}

torch::Tensor RandomBytes(int64_t batch, int64_t n, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return torch::randint(0, 256, {batch, n}, generator, torch::kInt64);
}

double Largest(const torch::Tensor& x) { return x.abs().max().item<double>(); }

torch::Tensor Perturbed(const torch::Tensor& items, int64_t j) {
  auto changed = items.clone();
  changed[0][j] = (changed[0][j] + 77) % 256;
  return changed;
}

}  // namespace strata::testing
