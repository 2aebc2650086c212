// What can be said of presets without running them, as one JSON object a line:
// parameters, multiply-adds, state and config. compare.sh drives it.
//
//   preset_facts CONTEXT SEQUENCE PRESET|CONFIG.json…
//
// state_bytes: of one sequence of CONTEXT items. flops_per_byte: of a forward pass in
// training over texts of SEQUENCE bytes, by the formula of the README's table:
// sum over levels of (2 N + 4 D keys layers) / S, with what pools, bridges and routers
// multiply, and 2 V D for each head, where
// `keys` are those that a query sees on average; of a level that repeats, N and layers
// as often as they run, also where items may halt or leave sooner. Attention to buckets
// counts as attention to all keys; what looks behind a window, and what reversible layers
// compute again, is not counted. prefill_flops_per_byte: without what only the logits of a
// byte need, which a prompt's bytes but the last have no use for. weights_per_byte: what
// decoding reads for each byte, in values: sum over levels of N / S, and the head.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/strings/str_replace.h"
#include "model/decoder_places.h"
#include "model/model_config.h"
#include "model/scope_rule.h"
#include "model/stream_levels.h"
#include "model/tree_nodes.h"
#include "tests/bench/preset_or_file.h"

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

// Matrices between a level and the one above, per item of the level: an attention pool's
// keys and values and a router's are of each item, the rest of a unit.
double Between(const ModelConfig& config, size_t l, double unit_items) {
  const LevelConfig& level = config.levels[l];
  if (level.block == 0) return 0;
  const double d = level.dim;
  const double up = config.levels[l + 1].dim;
  const double items = (level.pool == PoolKind::kAttention ? 2 * d * d : 0) +
                       static_cast<double>(RouterItems(level)) * 2 * d * d;
  const double units = static_cast<double>(PoolWidth(level)) * up +
                       static_cast<double>(BridgeRows(level)) * d * up;
  return items + units / unit_items;
}

// Of the streams of a level, per item of it: what runs once a stride, and what their
// items attend to.
double StreamsLeftOut(const LevelConfig& level) {
  double weights = 0;
  for (const StreamConfig& stream : level.streams) {
    weights += static_cast<double>(StreamParameters(level, stream)) *
               (1 - 1.0 / stream.stride);
  }
  return weights;
}

double StreamsAttend(const LevelConfig& level, int64_t items) {
  double attended = 0;
  for (const StreamConfig& stream : level.streams) {
    const LevelConfig own = StreamLevel(level, stream);
    attended += own.dim * own.dec_layers *
                MeanKeys(own, DecoderSpec(own), StreamItems(stream, items)) /
                stream.stride;
  }
  return attended;
}

// Everything but the embedding, which is looked up, per item of its level.
struct Work {
  double weights = 0;
  double flops = 0;
  double for_logits = 0;  // of `flops`, what only a byte's own logits need
};

Work WorkPerByte(const ModelConfig& config, int64_t sequence) {
  Work work;
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
    const double unit_items =
        level.block == 0 ? 1 : MeanItemBytes(config, l + 1) / bytes;
    const double weights =
        (matrices - StreamsLeftOut(level) + places * decoder +
         Between(config, l, unit_items)) /
        bytes;
    work.weights += weights;
    work.flops += 2 * weights + 4 * level.dim * attended / bytes +
                  4 * StreamsAttend(level, items) / bytes;
  }
  const LevelConfig& bytes = config.levels[0];
  const double d = bytes.dim;
  const double head = static_cast<double>(config.vocab) * d;
  // The head, and of the last layer, and its merge, all but queries, keys and values.
  if (bytes.dec_layers > 0) {
    work.for_logits = 2 * (1 + 2 * bytes.ff_mult) * d * d +
                      4 * d * MeanKeys(bytes, DecoderSpec(bytes), sequence) +
                      2.0 * MergeParameters(bytes) / bytes.dec_layers;
  }
  work.for_logits += 2 * head;
  work.weights += head;
  work.flops += 2 * head * (1 + config.ngram_heads);
  return work;
}

int Main(int argc, char** argv) {
  const int64_t context = std::atoll(argv[1]);
  const int64_t sequence = std::atoll(argv[2]);
  for (int i = 3; i < argc; ++i) {
    const auto config = PresetOrFile(argv[i]);
    if (!config.ok()) {
      std::cerr << argv[i] << ": " << config.status() << std::endl;
      return 1;
    }
    const Work work = WorkPerByte(*config, sequence);
    std::cout << "{\"preset\": \"" << argv[i]
              << "\", \"parameters\": " << ParameterCount(*config)
              << ", \"state_bytes\": " << StateBytes(*config, context)
              << ", \"flops_per_byte\": " << work.flops
              << ", \"prefill_flops_per_byte\": " << work.flops - work.for_logits
              << ", \"weights_per_byte\": " << work.weights
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
    std::cerr << "preset_facts CONTEXT SEQUENCE PRESET|CONFIG.json…"
              << std::endl;
    return 2;
  }
  return strata::Main(argc, argv);
}
