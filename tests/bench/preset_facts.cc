// What can be said of presets without running them, as one JSON object a line:
// parameters, multiply-adds, state and config. compare.sh drives it.
//
//   preset_facts CONTEXT SEQUENCE PRESET[:NGRAM_HEADS]…
//
// state_bytes: of one sequence of CONTEXT items. flops_per_byte: of a forward pass in
// training over texts of SEQUENCE bytes, by the formula of the README's table:
// sum over levels of (2 N + 4 D keys layers) / S, and 2 V D for each head, where
// `keys` are those that a query sees on average; of a level that repeats, N and layers
// as often as they run.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_replace.h"
#include "model/decoder_places.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "model/scope_rule.h"
#include "model/tree_nodes.h"

namespace strata {
namespace {

// Bytes that an item covers: on average, where the bytes decide (an English word
// and what follows it), and where a router does (what it is trained to aim at).
double MeanItemBytes(const ModelConfig& config, size_t level) {
  double bytes = 1;
  for (size_t l = 0; l < level; ++l) {
    const LevelConfig& below = config.levels[l];
    bytes *= below.block_rule == BlockRule::kFixed    ? below.block
             : below.block_rule == BlockRule::kRouter ? below.block_mean
                                                      : 5.5;
  }
  return bytes;
}

double MeanKeys(const LevelConfig& level, const ScopeSpec& spec, int64_t items) {
  // What is added to sums, and read from them, is as much as of so many keys.
  if (RuleOf(spec.scope).summed) return level.dim / level.heads;
  double keys = 0;
  for (int64_t i = 0; i < items; ++i) {
    const bool tree = spec.scope == Scope::kTree;
    const VisibleKeys seen = KeysSeen(spec, i, items);
    keys += static_cast<double>(seen.kept.count() + seen.recent.count());
    if (!tree) continue;
    const auto nodes = VisibleTreeNodes(i / level.leaf, level.tree_height);
    keys += static_cast<double>(nodes.size() * level.summaries);
  }
  return keys / static_cast<double>(std::max<int64_t>(1, items));
}

// The same work in layers that each run once.
LevelConfig Unrolled(LevelConfig level) {
  level.enc_layers = EncoderRuns(level);
  level.dec_layers = DecoderRuns(level);
  level.repeats = 1;
  return level;
}

// Everything but the embedding, which is looked up, per item of its level.
double FlopsPerByte(const ModelConfig& config, int64_t sequence) {
  double flops = 0;
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const double bytes = MeanItemBytes(config, l);
    const auto items = static_cast<int64_t>(sequence / bytes);
    ModelConfig alone = config;
    alone.levels.resize(1);
    alone.levels[0] = Unrolled(level);
    alone.levels[0].block = 0;
    if (l > 0) alone.ngram_heads = 0;
    const double matrices =
        static_cast<double>(ParameterCount(alone) - 2 * 260 * level.dim);
    alone.levels[0].dec_layers = 0;
    const double decoder =
        matrices - static_cast<double>(ParameterCount(alone) - 2 * 260 * level.dim);
    // What stands before a block passes the decoder, too.
    const double places =
        level.block == 0 ? 0 : static_cast<double>(PrefixItems(level)) / level.block;
    const double attended =
        EncoderRuns(level) * MeanKeys(level, SpecOf(level, level.enc_scope), items) +
        DecoderRuns(level) * (1 + places) * MeanKeys(level, DecoderSpec(level), items);
    flops += (2 * (matrices + places * decoder) + 4 * level.dim * attended) / bytes;
  }
  return flops + 2.0 * config.vocab * config.levels[0].dim *
                     (1 + config.ngram_heads);
}

absl::StatusOr<ModelConfig> ConfigOf(const std::string& argument) {
  const size_t colon = argument.find(':');
  absl::StatusOr<ModelConfig> config = PresetConfig(argument.substr(0, colon));
  if (!config.ok() || colon == std::string::npos) return config;
  config->ngram_heads = std::atoi(argument.c_str() + colon + 1);
  const absl::Status status = ValidateModelConfig(*config);
  if (!status.ok()) return status;
  return config;
}

int Main(int argc, char** argv) {
  const int64_t context = std::atoll(argv[1]);
  const int64_t sequence = std::atoll(argv[2]);
  for (int i = 3; i < argc; ++i) {
    const auto config = ConfigOf(argv[i]);
    if (!config.ok()) {
      std::cerr << config.status() << std::endl;
      return 1;
    }
    std::cout << "{\"preset\": \"" << argv[i]
              << "\", \"parameters\": " << ParameterCount(*config)
              << ", \"state_bytes\": " << StateBytes(*config, context)
              << ", \"flops_per_byte\": " << FlopsPerByte(*config, sequence)
              << ", \"config\": "
              << absl::StrReplaceAll(ModelConfigToJson(*config), {{"\n", " "}})
              << "}" << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "preset_facts CONTEXT SEQUENCE PRESET[:NGRAM_HEADS]…"
              << std::endl;
    return 2;
  }
  return strata::Main(argc, argv);
}
