#include "model/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <utility>

#include "absl/strings/str_replace.h"
#include "model/presets.h"
#include "tests/model/faces/refused_config.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using testing::BadConfig;
using testing::ExpectRefused;

TEST(ModelConfigJson, RoundTripsEveryPreset) {
  for (const std::string& name : PresetNames()) {
    const ModelConfig config = PresetConfig(name).value();
    const std::string json = ModelConfigToJson(config);
    const auto parsed = ParseModelConfig(json);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(*parsed == config) << json;
    EXPECT_EQ(ModelConfigToJson(*parsed), json);
  }
}

TEST(ModelConfigJson, TheTreesKeysStandWhereATreeIs) {
  ModelConfig config = PresetConfig("tree").value();
  config.levels[0].leaf = 12;
  config.levels[0].summaries = 3;
  config.levels[0].tree_height = 5;
  const std::string json = ModelConfigToJson(config);
  EXPECT_TRUE(ParseModelConfig(json).value() == config) << json;
  for (const auto edit : {+[](LevelConfig* l) { l->leaf = 8; },
                          +[](LevelConfig* l) { l->summaries = 1; },
                          +[](LevelConfig* l) { l->tree_height = 0; }}) {
    ModelConfig edited = config;
    edit(&edited.levels[0]);
    EXPECT_FALSE(edited == config);
    EXPECT_TRUE(ParseModelConfig(ModelConfigToJson(edited)).value() == edited);
  }
  // Texts from before there were trees stay as they were.
  for (const char* name : {"flat", "block", "block-literal"}) {
    const std::string old = ModelConfigToJson(PresetConfig(name).value());
    for (const char* key : {"leaf", "summaries", "tree_height"}) {
      EXPECT_EQ(old.find(key), std::string::npos) << old;
    }
  }
}

TEST(ValidateModelConfig, NamesTheTreesFields) {
  const struct {
    void (*edit)(LevelConfig*);
    const char* message;
  } cases[] = {
      {[](LevelConfig* l) { l->leaf = 1; }, "levels[0].leaf: is 1"},
      {[](LevelConfig* l) { l->leaf = 1025; }, "levels[0].leaf: is 1025"},
      {[](LevelConfig* l) { l->summaries = 0; }, "levels[0].summaries: is 0"},
      {[](LevelConfig* l) { l->tree_height = -1; },
       "levels[0].tree_height: is -1"},
      {[](LevelConfig* l) { l->enc_scope = Scope::kTree; },
       "levels[0].enc_scope: tree is for decoders"},
      {[](LevelConfig* l) { l->dec_scope = Scope::kFull; },
       "levels[0].leaf: is 16; must be left out or 0"},
  };
  for (const auto& c : cases) {
    ModelConfig config = PresetConfig("tree").value();
    c.edit(&config.levels[0]);
    EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
                HasSubstr(c.message));
  }
}

TEST(ModelConfigJson, EqualityLooksAtEveryField) {
  const ModelConfig base = PresetConfig("block").value();
  const std::vector<std::function<void(ModelConfig*)>> edits = {
      [](ModelConfig* c) { c->architecture = "x"; },
      [](ModelConfig* c) { c->levels.pop_back(); },
      [](ModelConfig* c) { c->levels[0].dim *= 2; },
      [](ModelConfig* c) { c->levels[0].heads *= 2; },
      [](ModelConfig* c) { c->levels[0].ff_mult = 2; },
      [](ModelConfig* c) { c->levels[0].enc_layers = 7; },
      [](ModelConfig* c) { c->levels[0].enc_scope = Scope::kFull; },
      [](ModelConfig* c) { c->levels[1].dec_layers = 7; },
      [](ModelConfig* c) { c->levels[0].dec_scope = Scope::kBlock; },
      [](ModelConfig* c) { c->levels[0].window = 33; },
      [](ModelConfig* c) { c->levels[0].block = 4; },
      [](ModelConfig* c) { c->levels[0].block_rule = BlockRule::kSpacelike; },
      [](ModelConfig* c) { c->levels[0].block_min = 2; },
      [](ModelConfig* c) { c->levels[0].block_mean = 2; },
      [](ModelConfig* c) { c->levels[0].pool = PoolKind::kLast; },
      [](ModelConfig* c) { c->levels[0].bridge = BridgeKind::kRepeat; },
      [](ModelConfig* c) { c->levels[0].prefix = 1; },
      [](ModelConfig* c) { c->levels[0].bridge = BridgeKind::kAttention; },
      [](ModelConfig* c) { c->levels[0].bridge_window = 2; },
      [](ModelConfig* c) { c->levels[1].repeats = 2; },
      [](ModelConfig* c) { c->levels[1].ponder = 0.01; },
      [](ModelConfig* c) { c->levels[0].exits = 1; },
      [](ModelConfig* c) { c->levels[0].exit_tolerance = 0.02; },
      [](ModelConfig* c) { c->levels[1].gate = GateKind::kGru; },
      [](ModelConfig* c) {
        c->levels[0].position = FindPositionScheme("alibi");
      },
      [](ModelConfig* c) { c->levels[0].position_span = 3; },
      [](ModelConfig* c) { c->levels[0].dec_scope = Scope::kDilated; },
      [](ModelConfig* c) { c->levels[0].dec_scope = Scope::kStrided; },
      [](ModelConfig* c) { c->levels[0].enc_scope = Scope::kGlobalLocal; },
      [](ModelConfig* c) { c->levels[0].dilation = 2; },
      [](ModelConfig* c) { c->levels[1].stride = 2; },
      [](ModelConfig* c) { c->levels[0].global_items = 1; },
      [](ModelConfig* c) { c->vocab = 1; },
      [](ModelConfig* c) { c->dropout = 0.2; },
      [](ModelConfig* c) { c->rope_theta = 1; },
      [](ModelConfig* c) { c->max_context = 1; },
      [](ModelConfig* c) { c->reach = 1; },
      [](ModelConfig* c) { c->ngram_heads = 7; },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    ModelConfig edited = base;
    edits[i](&edited);
    EXPECT_FALSE(edited == base) << "edit " << i;
    // What equality sees, the text carries.
    EXPECT_TRUE(ParseModelConfig(ModelConfigToJson(edited)).value() == edited)
        << "edit " << i;
  }
}

TEST(ModelConfigJson, NgramHeadsStandWhereThereAreSome) {
  ModelConfig config = PresetConfig("block").value();
  EXPECT_EQ(ModelConfigToJson(config).find("ngram_heads"), std::string::npos);
  config.ngram_heads = 2;
  EXPECT_TRUE(ValidateModelConfig(config).ok());
  EXPECT_TRUE(ParseModelConfig(ModelConfigToJson(config)).value() == config);
}

// One replacement in a valid text, and what the message must name.
class BadText
    : public ::testing::TestWithParam<std::array<const char*, 3>> {};

TEST_P(BadText, IsRefusedByName) {
  const auto& [from, to, message] = GetParam();
  const std::string good = ModelConfigToJson(PresetConfig("block").value());
  const std::string bad = absl::StrReplaceAll(good, {{from, to}});
  ASSERT_NE(bad, good);
  const auto parsed = ParseModelConfig(bad);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(message));
}

// What prints a value, and much else, calls itself for what is in it.
TEST(ModelConfigJson, DeepTextIsRefused) {
  const std::string deep = "{\"architecture\": \"a\", \"levels\": " +
                           std::string(100'000, '[') + std::string(100'000, ']') + "}";
  const auto parsed = ParseModelConfig(deep);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.status().message()),
              HasSubstr("is nested deeper than 64"));
}

INSTANTIATE_TEST_SUITE_P(
    ModelConfigJson, BadText,
    ::testing::Values(
        std::array<const char*, 3>{"\"reach\"", "\"raech\"", "reach: is missing"},
        std::array<const char*, 3>{"\"reach\": -1", "\"reach\": -1, \"zz\": 1",
                                   "zz: unknown member"},
        std::array<const char*, 3>{"\"reach\": -1", "\"reach\": -1, \"reach\": 3",
                                   "duplicate member \"reach\""},
        std::array<const char*, 3>{"\"reach\": -1", "\"reach\": 1.5",
                                   "reach: is 1.5; must be an integer"},
        std::array<const char*, 3>{"\"vocab\": 260", "\"vocab\": \"260\"",
                                   "vocab: is \"260\"; must be an integer"},
        std::array<const char*, 3>{"\"vocab\": 260", "\"vocab\": [[260]]",
                                   "vocab: is an array; must be an integer"},
        std::array<const char*, 3>{"\"vocab\": 260", "\"vocab\": 99999999999",
                                   "vocab: is 99999999999; must fit in 32 bits"},
        std::array<const char*, 3>{"\"window\": 32", "\"window\": true",
                                   "levels[0].window: is true"},
        std::array<const char*, 3>{"\"window\": 0", "\"window\": null",
                                   "levels[1].window: is null"},
        std::array<const char*, 3>{"\"full\"", "\"fulll\"",
                                   "levels[1].dec_scope: is \"fulll\"; must be"},
        std::array<const char*, 3>{"\"full\"", "\"linformer\"",
                                   "dec_scope: is \"linformer\", which mixes the keys"},
        std::array<const char*, 3>{"\"full\"", "\"bigbird\"",
                                   "only a level of a document classifier can have it"},
        std::array<const char*, 3>{"\"full\"", "\"etc\"",
                                   "dec_scope: is \"etc\", which has items that see"},
        std::array<const char*, 3>{"\"block\": 8", "\"block\": 8, \"pool\": \"max\"",
                                   "levels[0].pool: is \"max\"; must be "
                                   "attention, mean, last or concat"},
        std::array<const char*, 3>{"\"block\": 8", "\"block\": 8, \"bridge\": 1",
                                   "levels[0].bridge: must be a string"},
        std::array<const char*, 3>{"\"block\": 8", "\"block\": 8, \"gate\": \"lstm\"",
                                   "levels[0].gate: is \"lstm\"; must be residual, "
                                   "gru or reversible"},
        std::array<const char*, 3>{
            "\"block\": 8", "\"block\": 8, \"position\": \"rotary\"",
            "levels[0].position: is \"rotary\"; must be rope, none, alibi, "
            "xpos, sinusoidal, learned, shaw, transformer-xl, "
            "distance-aware or adaptive-span"},
        std::array<const char*, 3>{"\"dropout\": 0.1", "\"dropout\": [0.1]",
                                   "dropout: must be a number"},
        std::array<const char*, 3>{"\"levels\": [", "\"levels\": 3, \"x\": [",
                                   "levels: must be an array"}));

TEST(ModelConfigJson, RefusesWhatIsNotAnObject) {
  for (const char* text : {"", "[]", "7", "{", "{}x", "null"}) {
    EXPECT_EQ(ParseModelConfig(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(ValidateModelConfig, NamesTheFieldTheValueAndTheLimit) {
  const std::vector<BadConfig> cases = {
      {[](ModelConfig* c) { c->architecture = ""; }, "architecture: "},
      {[](ModelConfig* c) { c->levels.clear(); }, "levels: has 0 entries"},
      {[](ModelConfig* c) { c->levels.resize(5); }, "levels: has 5 entries"},
      {[](ModelConfig* c) { c->vocab = 256; }, "vocab: is 256; must be in [260"},
      {[](ModelConfig* c) { c->vocab = 32769; }, "vocab: is 32769; must be in [260, 32768"},
      {[](ModelConfig* c) { c->dropout = 1.0; }, "dropout: is 1; must be in"},
      {[](ModelConfig* c) { c->dropout = NAN; }, "dropout: is nan"},
      {[](ModelConfig* c) { c->rope_theta = 0; }, "rope_theta: is 0"},
      {[](ModelConfig* c) { c->max_context = 0; }, "max_context: is 0"},
      {[](ModelConfig* c) { c->reach = 0; }, "reach: is 0"},
      {[](ModelConfig* c) { c->reach = -2; }, "reach: is -2"},
      {[](ModelConfig* c) { c->reach = 65537; }, "reach: is 65537"},
      {[](ModelConfig* c) { c->ngram_heads = -1; },
       "ngram_heads: is -1; must be in [0, 7]"},
      {[](ModelConfig* c) { c->ngram_heads = 8; }, "ngram_heads: is 8"},
      {[](ModelConfig* c) { c->levels[0].dim = 132; },
       "levels[0].dim: is 132; must be a multiple of 2 * heads = 8"},
      {[](ModelConfig* c) { c->levels[1].heads = 0; }, "levels[1].heads: is 0"},
      {[](ModelConfig* c) { c->levels[0].ff_mult = 0; }, "levels[0].ff_mult"},
      {[](ModelConfig* c) { c->levels[0].enc_layers = -1; },
       "levels[0].enc_layers: is -1"},
      {[](ModelConfig* c) { c->levels[0].dec_layers = 129; },
       "levels[0].dec_layers: is 129"},
      {[](ModelConfig* c) { c->levels[0].repeats = 0; },
       "levels[0].repeats: is 0; must be in [1, 128]"},
      {[](ModelConfig* c) {
         c->levels[1].dec_layers = 5;
         c->levels[1].repeats = 26;
       },
       "levels[1].repeats: is 26; must be in [1, 25]"},
      {[](ModelConfig* c) { c->levels[0].window = 0; },
       "levels[0].window: is 0; must be in [1"},
      {[](ModelConfig* c) { c->levels[0].block = 1; }, "levels[0].block: is 1"},
      {[](ModelConfig* c) { c->levels[1].block = 8; },
       "levels[1].block: is 8; must be 0 at the top level"},
      {[](ModelConfig* c) { c->levels[0].dec_scope = Scope::kBidirBlock; },
       "levels[0].dec_scope: bidir_block is for encoders only"},
      {[](ModelConfig* c) { c->levels[1].dec_scope = Scope::kBlock; },
       "levels[1].dec_scope: the top level has no block"},
      {[](ModelConfig* c) { c->levels[1].pool = PoolKind::kMean; },
       "levels[1].pool: the top level has nothing to pool for"},
      {[](ModelConfig* c) { c->levels[1].bridge = BridgeKind::kRepeat; },
       "levels[1].bridge: the top level has no level above"},
  };
  ExpectRefused("block", cases);
}

TEST(ValidateModelConfig, AScopeHasWhatItNeedsAndNothingElse) {
  const std::vector<BadConfig> cases = {
      {[](ModelConfig* c) { c->levels[0].dilation = 2; },
       "levels[0].dilation: is 2; must be left out or 0"},
      {[](ModelConfig* c) { c->levels[0].stride = 8; },
       "levels[0].stride: is 8; must be left out or 0"},
      {[](ModelConfig* c) { c->levels[1].global_items = 1; },
       "levels[1].global_items: is 1; must be left out or 0"},
      {[](ModelConfig* c) { c->levels[0].dec_scope = Scope::kDilated; },
       "levels[0].dilation: is 0; must be in [2, 65536]"},
      {[](ModelConfig* c) {
         c->levels[0].dec_scope = Scope::kDilated;
         c->levels[0].dilation = 65536;
         c->levels[0].window = 300;
       },
       "levels[0].dilation: is 65536; its window spans 19595265 items"},
      {[](ModelConfig* c) {
         c->levels[1].dec_scope = Scope::kStrided;
         c->levels[1].window = 4;
         c->levels[1].stride = 1;
       },
       "levels[1].stride: is 1; must be in [2, 65536]"},
      {[](ModelConfig* c) { c->levels[0].enc_scope = Scope::kGlobalLocal; },
       "levels[0].global_items: is 0; must be in [1, 65536]"},
      {[](ModelConfig* c) { c->levels[1].dec_scope = Scope::kGlobalLocal; },
       "levels[1].window: is 0; must be in [1"},
  };
  ExpectRefused("block", cases);
}

TEST(ValidateModelConfig, SaysWhatRaggedUnitsNeed) {
  const std::vector<BadConfig> cases = {
      {[](ModelConfig* c) { c->levels[0].block_min = 1; },
       "levels[0].block_min: is 1; must be in [2, 16]"},
      {[](ModelConfig* c) { c->levels[0].block_min = 17; },
       "levels[0].block_min: is 17"},
      {[](ModelConfig* c) { c->levels[0].block_mean = 6; },
       "levels[0].block_mean: is 6; must be left out or 0"},
      {[](ModelConfig* c) { c->levels[0].block_rule = BlockRule::kRouter; },
       "levels[0].block_mean: is 0; must be in [2, 16]"},
      {[](ModelConfig* c) { c->levels[0].pool = PoolKind::kMean; },
       "levels[0].pool: must be last where block_rule is not fixed"},
      {[](ModelConfig* c) { c->levels[0].enc_scope = Scope::kBidirBlock; },
       "levels[0].enc_scope: is bidir_block; must not be of blocks"},
      {[](ModelConfig* c) { c->levels[0].dec_scope = Scope::kBlock; },
       "levels[0].dec_scope: is block; must not be of blocks"},
      {[](ModelConfig* c) { c->levels[0].block_rule = BlockRule::kFixed; },
       "levels[0].block_min: must be 0 where block_rule is fixed"},
      {[](ModelConfig* c) {
         c->levels[1].block_rule = BlockRule::kSpacelike;
       },
       "levels[1].block_rule: must be fixed at the top level"},
      {[](ModelConfig* c) {
         c->levels.insert(c->levels.begin() + 1,
                          PresetConfig("block").value().levels[0]);
       },
       "levels[0].block_rule: must be fixed in a model of more than two levels"},
  };
  ExpectRefused("spacebyte", cases);
}

TEST(MaxItems, CountsTheShortestUnits) {
  const ModelConfig words = PresetConfig("spacebyte").value();
  EXPECT_EQ(MaxItems(words, 0, 101), 101);
  EXPECT_EQ(MaxItems(words, 1, 101), 50);
  EXPECT_EQ(DocumentAlignment(words), 1);
  const ModelConfig blocks = PresetConfig("block").value();
  EXPECT_EQ(MaxItems(blocks, 1, 101), 12);
  EXPECT_EQ(DocumentAlignment(blocks), 8);
}

TEST(ItemBytes, IsTheProductOfTheBlocksBelow) {
  ModelConfig config = PresetConfig("block").value();
  EXPECT_EQ(ItemBytes(config, 0), 1);
  EXPECT_EQ(ItemBytes(config, 1), 8);
  config.levels.insert(config.levels.begin() + 1, config.levels[0]);
  config.levels[1].block = 4;
  EXPECT_EQ(ItemBytes(config, 2), 32);
}

TEST(ParameterCount, MatchesAHandCount) {
  ModelConfig config = PresetConfig("flat").value();
  config.levels[0].dim = 4;
  config.levels[0].heads = 1;
  config.levels[0].dec_layers = 1;
  config.levels[0].ff_mult = 2;
  // embedding and head, start and norm; qkv, out, up, down, two norms
  EXPECT_EQ(ParameterCount(config),
            2 * 260 * 4 + 2 * 4 + (12 * 4 + 4 * 4 + 8 * 4 + 4 * 8 + 2 * 4));
  const int64_t without_heads = ParameterCount(config);
  config.ngram_heads = 3;  // a norm, up, down
  EXPECT_EQ(ParameterCount(config) - without_heads, 3 * (4 + 4 * 4 + 4 * 4));
  config.ngram_heads = 0;
  config.levels[0].repeats = 3;  // a vector each, for the stack that has layers
  EXPECT_EQ(ParameterCount(config) - without_heads, 3 * 4);
  config.levels[0].ponder = 0.1;  // a row and a bias
  EXPECT_EQ(ParameterCount(config) - without_heads, 3 * 4 + 4 + 1);
  config.levels[0].ponder = 0;
  config.levels[0].repeats = 1;
  config.levels[0].dec_layers = 3;
  const int64_t three_layers = ParameterCount(config);
  config.levels[0].exits = 1;  // two exits of a row and a bias, a threshold
  EXPECT_EQ(ParameterCount(config) - three_layers, 2 * (4 + 1) + 1);
  config.levels[0].exits = 0;
  config.levels[0].dec_layers = 1;
  config.levels[0].gate = GateKind::kGru;  // W [12, 4], U [8, 4] and [4, 4], b; twice
  EXPECT_EQ(ParameterCount(config) - without_heads, 2 * (24 * 4 + 4));
  config.levels[0].gate = GateKind::kResidual;
  config.levels.push_back(config.levels[0]);
  const int64_t without_pool = ParameterCount(config);
  config.levels[0].block = 3;
  // norm, query, key, value, out are there at any block; offset and bridge grow
  EXPECT_EQ(ParameterCount(config) - without_pool, 3 * 4 + 3 * 4 * 4);
  // without offset, query, key, value; out reads the whole block; one bridge row
  config.levels[0].pool = PoolKind::kConcat;
  config.levels[0].bridge = BridgeKind::kRepeat;
  EXPECT_EQ(ParameterCount(config) - without_pool,
            3 * 4 * 4 - 4 - 3 * 4 * 4 + 4 * 4);
  config.levels[0].bridge = BridgeKind::kPrefix;
  config.levels[0].prefix = 2;
  EXPECT_EQ(ParameterCount(config) - without_pool,
            3 * 4 * 4 - 4 - 3 * 4 * 4 + 2 * 4 * 4);
  // a key and a value beside the three rows; a norm, query, out, a head's biases
  config.levels[0].bridge = BridgeKind::kAttention;
  config.levels[0].bridge_window = 5;
  EXPECT_EQ(ParameterCount(config) - without_pool,
            3 * 4 * 4 - 4 - 3 * 4 * 4 + 5 * 4 * 4 + 4 + 2 * 4 * 4 + 5);
}

}  // namespace
}  // namespace strata
