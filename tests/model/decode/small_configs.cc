#include "tests/model/decode/small_configs.h"

#include <algorithm>
#include <utility>

#include "tests/model/option_configs.h"
#include "tests/model/piece_config.h"
#include "tests/model/position_config.h"
#include "tests/model/random_config.h"
#include "tests/model/scope_config.h"

namespace strata {
namespace {

LevelConfig MakeLevel(int dim, int heads, int enc, Scope enc_scope, int dec,
                      Scope dec_scope, int window, int block) {
  LevelConfig level;
  level.dim = dim;
  level.heads = heads;
  level.ff_mult = 2;
  level.enc_layers = enc;
  level.enc_scope = enc_scope;
  level.dec_layers = dec;
  level.dec_scope = dec_scope;
  level.window = window;
  level.block = block;
  return level;
}

ModelConfig Make(std::vector<LevelConfig> levels) {
  ModelConfig config;
  config.architecture = "test";
  config.levels = std::move(levels);
  config.max_context = 4096;
  return config;
}

LevelConfig Tree(LevelConfig level, int leaf, int summaries, int height) {
  level.dec_scope = Scope::kTree;
  level.leaf = leaf;
  level.summaries = summaries;
  level.tree_height = height;
  return level;
}

void AddTrees(std::vector<NamedConfig>* configs) {
  const LevelConfig flat = MakeLevel(24, 2, 0, Scope::kFull, 2, Scope::kFull, 0, 0);
  const LevelConfig windowed =
      MakeLevel(16, 2, 1, Scope::kWindow, 1, Scope::kWindow, 8, 4);
  const LevelConfig block =
      MakeLevel(16, 2, 1, Scope::kBlock, 1, Scope::kTree, 0, 6);
  configs->push_back({"tree", Make({Tree(flat, 4, 2, 0)})});
  configs->push_back({"tree_leaf_3", Make({Tree(flat, 3, 1, 0)})});
  configs->push_back({"tree_capped", Make({Tree(flat, 2, 3, 2)})});
  configs->push_back({"tree_wide", Make({Tree(flat, 20, 2, 0)})});
  configs->push_back({"tree_above", Make({windowed, Tree(flat, 3, 2, 0)})});
  configs->push_back({"tree_below", Make({Tree(block, 4, 2, 1), flat})});
}

void AddPositions(std::vector<NamedConfig>* configs) {
  for (const PositionScheme* scheme : testing::OtherPositionSchemes()) {
    const ModelConfig config = testing::PositionConfig(*scheme);
    std::string name = config.architecture;
    std::replace(name.begin(), name.end(), '-', '_');
    configs->push_back({name, config});
  }
}

void AddOptions(std::vector<NamedConfig>* configs) {
  for (const testing::OptionFamily& family : testing::kOptionFamilies) {
    for (const std::string& option : family.names()) {
      std::string name = option;
      std::replace(name.begin(), name.end(), '-', '_');
      configs->push_back({name, family.make(option)});
    }
  }
}

// Each alone, with the widest cache a vector does not fill, and in three levels; and
// with positions that weigh distances.
void AddScopes(std::vector<NamedConfig>* configs) {
  for (const Scope scope : testing::OtherScopes()) {
    const std::string name = RuleOf(scope).name;
    LevelConfig flat = MakeLevel(24, 2, 1, Scope::kWindow, 2, scope, 19, 0);
    testing::SetScopeParameters(5, &flat);
    ModelConfig alone = Make({flat});
    alone.reach = testing::WidestReach(alone);
    configs->push_back({name, alone});
    const bool summed = RuleOf(scope).summed;
    for (const char* scheme :
         {"alibi", "shaw", "distance-aware", "sinusoidal", "learned", "none"}) {
      if (summed != KnowsNoDistance(*FindPositionScheme(scheme))) continue;
      ModelConfig other = testing::ScopeConfig(scope);
      for (LevelConfig& level : other.levels) {
        level.position = FindPositionScheme(scheme);
        if (level.position->max_span > 0) level.position_span = 9;
      }
      configs->push_back({name + "_" + (scheme[0] == 'd' ? "factor" : scheme),
                          other});
    }
    configs->push_back({name + "_three", testing::ScopeConfig(scope)});
    ModelConfig words = Make({MakeLevel(20, 2, 1, Scope::kWindow, 1, scope, 7, 6),
                              MakeLevel(24, 2, 0, Scope::kFull, 2, Scope::kFull, 0, 0)});
    words.levels[0].block_rule = BlockRule::kSpacelike;
    words.levels[0].block_min = 2;
    words.levels[0].pool = PoolKind::kLast;
    testing::SetScopeParameters(3, &words.levels[0]);
    configs->push_back({name + "_words", words});
  }
}

// One vector before a block, and several; blocks that a cache line does not hold; on
// nested levels, below a window; with every position scheme.
void AddPrefixes(std::vector<NamedConfig>* configs) {
  const auto with = [](int prefix, LevelConfig level) {
    level.dec_scope = Scope::kBlock;
    level.bridge = BridgeKind::kPrefix;
    level.prefix = prefix;
    return level;
  };
  const LevelConfig bytes =
      MakeLevel(20, 2, 0, Scope::kWindow, 2, Scope::kBlock, 0, 5);
  const LevelConfig top = MakeLevel(24, 2, 0, Scope::kFull, 1, Scope::kFull, 0, 0);
  for (const int prefix : {1, 2, 4}) {
    configs->push_back({"prefix_" + std::to_string(prefix),
                        Make({with(prefix, bytes), top})});
  }
  LevelConfig wide = MakeLevel(16, 1, 1, Scope::kBidirBlock, 1, Scope::kBlock, 0, 15);
  configs->push_back({"prefix_wide", Make({with(3, wide), top})});
  LevelConfig middle = MakeLevel(18, 3, 1, Scope::kBlock, 1, Scope::kBlock, 0, 3);
  configs->push_back({"prefix_nested", Make({with(2, bytes), with(3, middle), top})});
  LevelConfig window = MakeLevel(16, 2, 1, Scope::kWindow, 1, Scope::kWindow, 6, 4);
  configs->push_back({"prefix_above", Make({window, with(3, middle), top})});
  for (const PositionScheme* scheme : testing::OtherPositionSchemes()) {
    LevelConfig level = with(3, bytes);
    level.position = scheme;
    if (scheme->max_span > 0) {
      level.position_span = scheme->log_scale != nullptr ? 110 : 4;
    }
    std::string name = std::string("prefix_") + scheme->name;
    std::replace(name.begin(), name.end(), '-', '_');
    configs->push_back({name, Make({level, top})});
  }
}

// The first `count`, in a model with a tokeniser.
void AddPieces(size_t count, std::vector<NamedConfig>* configs) {
  for (size_t i = 0; i < count; ++i) {
    const NamedConfig& plain = (*configs)[i];
    configs->push_back({plain.name + "_pieces", testing::WithPieces(plain.config)});
  }
}

// A bridge that attends, over an encoder that looks ahead, and below a tree.
void AddBridgeAhead(std::vector<NamedConfig>* configs) {
  ModelConfig ahead = testing::BridgeConfig("bridge-attention");
  ahead.levels[0].enc_scope = Scope::kBidirBlock;
  ahead.levels[1].enc_scope = Scope::kBlock;
  ahead.levels[2] = Tree(ahead.levels[2], 3, 2, 0);
  configs->push_back({"bridge_ahead", ahead});
}

}  // namespace

std::vector<NamedConfig> SmallConfigs() {
  constexpr Scope kFull = Scope::kFull;
  constexpr Scope kWindow = Scope::kWindow;
  constexpr Scope kBlock = Scope::kBlock;
  constexpr Scope kBidir = Scope::kBidirBlock;
  std::vector<NamedConfig> configs = {
      {"block", Make({MakeLevel(32, 2, 1, kWindow, 1, kWindow, 8, 4),
                      MakeLevel(48, 4, 0, kFull, 2, kFull, 0, 0)})},
      {"literal", Make({MakeLevel(16, 2, 2, kBidir, 1, kBlock, 0, 4),
                        MakeLevel(16, 1, 0, kFull, 2, kFull, 0, 0)})},
      {"flat", Make({MakeLevel(40, 2, 0, kFull, 2, kFull, 0, 0)})},
      {"flat_window", Make({MakeLevel(24, 2, 1, kWindow, 2, kWindow, 20, 0)})},
      {"three", Make({MakeLevel(16, 4, 1, kWindow, 1, kWindow, 5, 3),
                      MakeLevel(32, 1, 1, kBlock, 2, kWindow, 7, 2),
                      MakeLevel(36, 2, 1, kFull, 1, kFull, 0, 0)})},
      {"deep_literal", Make({MakeLevel(16, 1, 1, kBidir, 1, kBlock, 0, 5),
                             MakeLevel(18, 3, 1, kBidir, 1, kWindow, 3, 3),
                             MakeLevel(16, 2, 0, kFull, 1, kWindow, 4, 0)})},
      {"no_encoder", Make({MakeLevel(32, 2, 0, kWindow, 2, kBlock, 0, 8),
                           MakeLevel(80, 1, 0, kFull, 1, kFull, 0, 0)})},
      {"wide_block", Make({MakeLevel(16, 1, 1, kBlock, 1, kBlock, 0, 20),
                           MakeLevel(32, 2, 0, kFull, 1, kFull, 0, 0)})},
  };
  // Every pool with every bridge; a width that is no multiple of a vector.
  const std::pair<const char*, PoolKind> pools[] = {
      {"attention", PoolKind::kAttention},
      {"mean", PoolKind::kMean},
      {"last", PoolKind::kLast},
      {"concat", PoolKind::kConcat}};
  for (const auto& [name, pool] : pools) {
    ModelConfig config = Make({MakeLevel(20, 2, 1, kWindow, 1, kWindow, 6, 5),
                               MakeLevel(24, 2, 0, kFull, 1, kFull, 0, 0)});
    config.levels[0].pool = pool;
    configs.push_back({std::string(name) + "_linear", config});
    config.levels[0].bridge = BridgeKind::kRepeat;
    configs.push_back({std::string(name) + "_repeat", config});
    config.levels[0].bridge = BridgeKind::kAttention;
    config.levels[0].bridge_window = 19;  // more than a vector of slots
    configs.push_back({std::string(name) + "_attention", config});
  }
  for (const BridgeKind bridge : {BridgeKind::kLinear, BridgeKind::kRepeat}) {
    ModelConfig config = Make({MakeLevel(20, 2, 1, kWindow, 1, kWindow, 7, 6),
                               MakeLevel(24, 2, 0, kFull, 2, kFull, 0, 0)});
    config.levels[0].block_rule = BlockRule::kSpacelike;
    config.levels[0].block_min = 2;
    config.levels[0].pool = PoolKind::kLast;
    config.levels[0].bridge = bridge;
    const char* end = bridge == BridgeKind::kRepeat ? "repeat" : "linear";
    configs.push_back({std::string("words_") + end, config});
    config.levels[0].block_rule = BlockRule::kRouter;
    config.levels[0].block_mean = 3;
    configs.push_back({std::string("routed_") + end, config});
  }
  configs.push_back({"ngram_heads", configs[0].config});
  configs.back().config.ngram_heads = 3;
  const size_t plain = configs.size();
  AddTrees(&configs);
  AddPositions(&configs);
  AddScopes(&configs);
  AddPrefixes(&configs);
  AddBridgeAhead(&configs);
  AddOptions(&configs);
  AddPieces(plain, &configs);
  for (uint64_t seed = 1; seed <= testing::RandomConfigs(); ++seed) {
    configs.push_back(
        {"random_" + std::to_string(seed), testing::RandomConfig(seed)});
  }
  return configs;
}

}  // namespace strata
