// The pass that is watched is the ordinary one, and what it tells is what was
// computed with: of every model of the property suites.

#include "model/inspect/inspection_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "model/hierarchy/item_loss.h"
#include "model/items.h"
#include "model/position_shape.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/inspect/fixture.h"
#include "tests/model/naive_scope.h"
#include "tests/model/stack_config.h"

namespace strata::testing {
namespace {

class InspectionPassTest : public ::testing::TestWithParam<std::string> {
 protected:
  const ModelConfig config_ = TestedConfig(GetParam());
  HierarchicalTransformer model_ = Model(config_);
  const std::vector<int64_t> fed_ = Fed();

  InspectedPass Pass() {
    return InspectPass(model_, fed_, Everything(config_), kTopK);
  }
};

TEST_P(InspectionPassTest, LogitsAreThoseOfTheOrdinaryPass) {
  torch::NoGradGuard no_grad;
  const auto ordinary = model_->forward(Items(fed_));
  const auto watched = Pass().logits;
  ASSERT_EQ(watched.sizes(), ordinary.sizes());
  EXPECT_LE(Largest(watched - ordinary), 1e-12);
  EXPECT_TRUE(torch::equal(model_->forward(Items(fed_)), ordinary));
}

TEST_P(InspectionPassTest, SurpriseIsTheLossOfEachByte) {
  const auto losses = ItemLosses(model_, Items(fed_));
  const std::vector<double> surprise = Pass().inspection.surprise_bits;
  ASSERT_EQ(surprise.size(), fed_.size() - 1);
  for (size_t i = 0; i < surprise.size(); ++i) {
    EXPECT_NEAR(surprise[i],
                losses[0][static_cast<int64_t>(i) + 1].item<double>() /
                    std::log(2.0),
                1e-12);
  }
}

// A position that had stopped before the layer attends to nothing.
bool Attends(const InspectedStack& stack, const AttentionMap& map, size_t position) {
  return stack.depths.empty() || map.layer < stack.depths[position];
}

TEST_P(InspectionPassTest, RowsSumToOne) {
  for (const InspectedLevel& level : Pass().inspection.levels) {
    for (const InspectedStack& stack : level.stacks) {
      const bool stream = stack.kind == InspectedStack::Kind::kStream;
      const auto& heads = stream ? level.selection.stream_heads[stack.stream]
                                 : level.selection.heads;
      ASSERT_EQ(stack.maps.size(), heads.size() * static_cast<size_t>(stack.layers));
      for (const AttentionMap& map : stack.maps) {
        ASSERT_EQ(static_cast<int64_t>(map.rows.size()), stack.positions);
        for (size_t position = 0; position < map.rows.size(); ++position) {
          const AttentionRow& row = map.rows[position];
          double sum = row.rest;
          for (size_t i = 0; i < row.links.size(); ++i) {
            sum += row.links[i].weight;
            if (i > 0) {
              EXPECT_GE(row.links[i - 1].weight, row.links[i].weight);
            }
          }
          EXPECT_NEAR(sum, Attends(stack, map, position) ? 1.0 : 0.0, 1e-5);
          EXPECT_LE(row.links.size(), static_cast<size_t>(kTopK));
        }
      }
    }
  }
}

// Bytes that a row's keys stand for, in order: they must not overlap.
std::vector<ByteRange> KeyBytes(const InspectedStack& stack,
                                const AttentionRow& row) {
  std::vector<ByteRange> bytes;
  for (const AttentionLink& link : row.links) {
    bytes.push_back(stack.keys[static_cast<size_t>(link.key)].bytes);
  }
  std::sort(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  return bytes;
}

TEST_P(InspectionPassTest, KeysAreThoseThatTheScopeShows) {
  for (const InspectedLevel& level : Pass().inspection.levels) {
    const LevelConfig& config =
        config_.levels[static_cast<size_t>(level.selection.level)];
    for (const InspectedStack& stack : level.stacks) {
      if (stack.kind == InspectedStack::Kind::kBridge) continue;  // in files of
      if (stack.kind == InspectedStack::Kind::kStream) continue;  // their own
      for (const AttentionMap& map : stack.maps) {
        for (int64_t i = 0; i < stack.positions; ++i) {
          const AttentionRow& row = map.rows[static_cast<size_t>(i)];
          if (!Attends(stack, map, static_cast<size_t>(i))) continue;
          if (stack.scope == Scope::kTree) {
            // Everything up to the position, each byte by one key.
            const auto bytes = KeyBytes(stack, row);
            int64_t at = 0;
            for (const ByteRange& range : bytes) {
              if (range.begin < range.end) {
                EXPECT_EQ(range.begin, at);
              }
              at = std::max(at, range.end);
            }
            EXPECT_EQ(at, stack.keys[static_cast<size_t>(i)].bytes.end);
            continue;
          }
          ScopeSpec spec = SpecOf(config, stack.scope);
          const bool decoder = stack.kind == InspectedStack::Kind::kDecoder;
          if (decoder && config.prefix > 1) spec.block += config.prefix - 1;
          const auto sees = [&](int64_t key) {
            // No span has been learnt: keys are hidden from where its ramp ends.
            const bool hidden = config.position->adaptive &&
                                std::abs(i - key) >= SpanOf(config).ramp;
            return !hidden &&
                   (NaiveSees(spec, i, key) || NaiveSeesMean(spec, i, key));
          };
          const bool knn = decoder && map.layer + 1 == config.knn_layer;
          const int64_t behind =
              knn ? std::clamp<int64_t>(i + 1 - config.window, 0, config.knn_items) : 0;
          int64_t count = std::min<int64_t>(behind, config.knn_neighbours);
          for (int64_t key = 0; key < stack.positions; ++key) count += sees(key);
          EXPECT_EQ(std::ssize(row.links), std::min<int64_t>(kTopK, count));
          for (const AttentionLink& link : row.links) {
            const int64_t age = i - config.window - link.key;
            EXPECT_TRUE(sees(link.key) || (age >= 0 && age < behind)) << i;
          }
        }
      }
    }
  }
}

TEST_P(InspectionPassTest, ItemsCoverTheTextInOrder) {
  const auto levels = Pass().inspection.levels;
  for (size_t l = 0; l < levels.size(); ++l) {
    int64_t at = 0;
    for (const ByteRange& bytes : levels[l].items) {
      EXPECT_EQ(bytes.begin, at);
      at = bytes.end;
    }
    EXPECT_LE(at, kBytes);
    if (l == 0) {
      EXPECT_EQ(at, kBytes);
      EXPECT_EQ(levels[l].items.size(), fed_.size());
      continue;
    }
    const auto& units = levels[l - 1].units;
    ASSERT_EQ(units.size(), levels[l].items.size());
    for (size_t j = 0; j < units.size(); ++j) {
      const auto& below = levels[l - 1].items;
      EXPECT_EQ(levels[l].items[j].end,
                below[static_cast<size_t>(units[j].end_item) - 1].end);
    }
  }
  EXPECT_TRUE(levels.back().units.empty());
}

TEST_P(InspectionPassTest, PoolWeightsAreThoseThatPooled) {
  torch::NoGradGuard no_grad;
  InspectedPass pass = Pass();
  const auto parameters = model_->named_parameters();
  for (const InspectedLevel& level : pass.inspection.levels) {
    const int l = level.selection.level;
    const LevelConfig& config = config_.levels[static_cast<size_t>(l)];
    if (config.block == 0 || config.pool != PoolKind::kAttention) {
      for (const PooledUnit& unit : level.units) EXPECT_TRUE(unit.weights.empty());
      continue;
    }
    const std::string name = "level." + std::to_string(l) + ".pool.";
    const auto& activations = pass.activations[static_cast<size_t>(l)];
    for (size_t j = 0; j < level.units.size(); ++j) {
      const PooledUnit& unit = level.units[j];
      const auto h = activations.h[0].slice(0, unit.begin_item, unit.end_item);
      const auto g = h * at::rsqrt(h.square().mean(-1, true) + kNormEpsilon) *
                         parameters[name + "norm.weight"] +
                     parameters[name + "offset"];
      const auto values = at::linear(g, parameters[name + "value.weight"])
                              .view({config.block, config.heads, -1});
      std::vector<torch::Tensor> mixed;
      for (int head = 0; head < config.heads; ++head) {
        const auto& weights = unit.weights[static_cast<size_t>(head)];
        const auto w = torch::tensor(weights, torch::kFloat).to(torch::kDouble);
        EXPECT_NEAR(w.sum().item<double>(), 1.0, 1e-5);
        mixed.push_back(at::matmul(w, values.select(1, head)));
      }
      const auto p = at::linear(at::cat(mixed), parameters[name + "out.weight"]);
      EXPECT_LE(Largest(p - activations.p[0][static_cast<int64_t>(j)]),
                1e-6 * (1 + Largest(p)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, InspectionPassTest,
                         ::testing::ValuesIn(TestedModels()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(InspectionTest, RaggedUnitsAreNamedByTheirBytes) {
  const ModelConfig config = TestedConfig("spacebyte");
  const std::string text = "Hold the door.\n\nNow";
  std::vector<int64_t> fed = {kSos};
  for (const char c : text) fed.push_back(static_cast<unsigned char>(c));
  const auto pass = InspectPass(Model(config), fed, Everything(config), 4);
  std::vector<std::string> words;
  for (const ByteRange& bytes : pass.inspection.levels[1].items) {
    words.push_back(text.substr(static_cast<size_t>(bytes.begin),
                                static_cast<size_t>(bytes.end - bytes.begin)));
  }
  EXPECT_EQ(words, (std::vector<std::string>{"Hold ", "the ", "door."}));
}

TEST(InspectionTest, PrefixesStandForAllBeforeTheirBlock) {
  ModelConfig config = TestedConfig("block-transformer");
  config.levels[0].prefix = 3;
  const auto pass = InspectPass(Model(config), Fed(5), Everything(config, 5), 4);
  const InspectedStack& stack = pass.inspection.levels[0].stacks[0];
  using Kind = AttendedKey::Kind;
  std::vector<std::pair<Kind, int64_t>> keys;
  for (const AttendedKey& key : stack.keys) keys.push_back({key.kind, key.bytes.end});
  // A marker and five bytes in blocks of four, and the context behind them.
  EXPECT_EQ(keys, (std::vector<std::pair<Kind, int64_t>>{
                      {Kind::kPrefix, 0}, {Kind::kPrefix, 0}, {Kind::kStart, 0},
                      {Kind::kItem, 0}, {Kind::kItem, 1}, {Kind::kItem, 2},
                      {Kind::kPrefix, 3}, {Kind::kPrefix, 3}, {Kind::kItem, 3},
                      {Kind::kItem, 4}, {Kind::kItem, 5}}));
}

TEST(InspectionTest, AShortTextHasNoUnits) {
  for (const std::string& name : TestedModels()) {
    const ModelConfig config = TestedConfig(name);
    const auto pass = InspectPass(Model(config), Fed(1), Everything(config, 1), 4);
    EXPECT_EQ(pass.inspection.surprise_bits.size(), 1u);
    ASSERT_EQ(pass.inspection.levels.size(), config.levels.size());
    for (const InspectedLevel& level : pass.inspection.levels) {
      for (const InspectedStack& stack : level.stacks) {
        for (const AttentionMap& map : stack.maps) {
          EXPECT_EQ(static_cast<int64_t>(map.rows.size()), stack.positions);
        }
      }
    }
  }
}

// Layers are told as they run: what they attended to is what as many layers with the
// same weights do.
TEST(InspectionTest, RepeatsAreLayersOfTheirOwn) {
  for (const std::string& name : FullDepthStackConfigNames()) {
    HierarchicalTransformer model = Model(TestedConfig(name));
    HierarchicalTransformer unrolled = Unrolled(model);
    const auto selection = Everything(model->config());
    const auto own = InspectPass(model, Fed(), selection, kTopK).inspection;
    const auto other = InspectPass(unrolled, Fed(), selection, kTopK).inspection;
    ASSERT_EQ(own.levels.size(), other.levels.size());
    for (size_t l = 0; l < own.levels.size(); ++l) {
      ASSERT_EQ(own.levels[l].stacks.size(), other.levels[l].stacks.size());
      for (size_t s = 0; s < own.levels[l].stacks.size(); ++s) {
        const auto& maps = own.levels[l].stacks[s].maps;
        const auto& expected = other.levels[l].stacks[s].maps;
        EXPECT_EQ(own.levels[l].stacks[s].layers, other.levels[l].stacks[s].layers);
        ASSERT_EQ(maps.size(), expected.size());
        for (size_t i = 0; i < maps.size(); ++i) ExpectEqualMaps(maps[i], expected[i]);
      }
    }
  }
}

// How far each position went, and that it attended to nothing beyond.
TEST(InspectionTest, PositionsThatStopAreToldOf) {
  for (const char* name : {"halting", "halting-tree", "exits", "exits-tree"}) {
    const ModelConfig config = TestedConfig(name);
    HierarchicalTransformer model = Model(config);
    ExitHeads& exits = model->level(0).decoder().exits();
    if (!exits.is_empty()) exits->SetThreshold(0.5);
    const auto pass = InspectPass(model, Fed(), Everything(config), kTopK);
    int64_t stopped = 0;
    for (const InspectedLevel& level : pass.inspection.levels) {
      for (const InspectedStack& stack : level.stacks) {
        if (config.levels[0].exits > 0 && stack.depths.empty()) continue;
        ASSERT_EQ(static_cast<int64_t>(stack.depths.size()), stack.positions);
        for (int64_t i = 0; i < stack.positions; ++i) {
          EXPECT_GE(stack.depths[i], 1);
          EXPECT_LE(stack.depths[i], stack.layers);
          stopped += stack.depths[i] < stack.layers;
          for (const AttentionMap& map : stack.maps) {
            EXPECT_EQ(map.rows[i].links.empty(), map.layer >= stack.depths[i]) << name;
          }
        }
      }
    }
    EXPECT_GT(stopped, 0) << name;
  }
  const ModelConfig plain = TestedConfig("repeats");
  const auto pass = InspectPass(Model(plain), Fed(), Everything(plain), kTopK);
  EXPECT_TRUE(pass.inspection.levels[0].stacks[0].depths.empty());
}

// Of a layer that runs several times, one run.
TEST(InspectionTest, OneRepeatMayBeChosen) {
  const ModelConfig config = TestedConfig("repeats");
  InspectOptions options;
  options.levels = {2};
  options.layers = {1};
  const auto all = InspectPass(Model(config), Fed(), Everything(config), 4);
  const auto one =
      InspectPass(Model(config), Fed(),
                  SelectForInspection(config, options, kBytes).value(), 4);
  const auto& stacks = one.inspection.levels[0].stacks;
  ASSERT_EQ(stacks.size(), 2u);
  for (size_t s = 0; s < stacks.size(); ++s) {
    ASSERT_EQ(stacks[s].maps.size(), 1u);  // one head
    EXPECT_EQ(stacks[s].maps[0].layer, 1);
    ExpectEqualMaps(stacks[s].maps[0], all.inspection.levels[2].stacks[s].maps[1]);
  }
}

TEST(InspectionTest, OnlyWhatWasChosenIsTold) {
  const ModelConfig config = TestedConfig("three-levels");
  InspectOptions options;
  options.levels = {2};
  options.layers = {-2};
  options.heads = {1};
  const auto selection = SelectForInspection(config, options, kBytes).value();
  const auto pass = InspectPass(Model(config), Fed(), selection, 1);
  ASSERT_EQ(pass.inspection.levels.size(), 1u);
  ASSERT_EQ(pass.inspection.levels[0].stacks.size(), 1u);
  const auto& maps = pass.inspection.levels[0].stacks[0].maps;
  ASSERT_EQ(maps.size(), 1u);
  EXPECT_EQ(maps[0].layer, 0);
  EXPECT_EQ(maps[0].head, 1);
  for (const AttentionRow& row : maps[0].rows) EXPECT_EQ(row.links.size(), 1u);
}

}  // namespace
}  // namespace strata::testing
