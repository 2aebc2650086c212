// Position schemes: what a config may ask of them, and the fixed functions among them
// against figures worked out by hand.

#include "model/position_scheme.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "model/model_config.h"
#include "model/position_shape.h"
#include "model/presets.h"
#include "tests/model/position_config.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Refusal(const ModelConfig& config) {
  return std::string(ValidateModelConfig(config).message());
}

ModelConfig Flat(const char* scheme, int span) {
  ModelConfig config = PresetConfig("flat").value();
  config.levels[0].position = FindPositionScheme(scheme);
  config.levels[0].position_span = span;
  return config;
}

TEST(PositionScheme, NamesAreFoundAndDiffer) {
  std::set<std::string> names;
  for (const PositionScheme* scheme : PositionSchemes()) {
    EXPECT_TRUE(names.insert(scheme->name).second) << scheme->name;
    EXPECT_EQ(FindPositionScheme(scheme->name), scheme);
  }
  EXPECT_EQ(FindPositionScheme("rotary"), nullptr);
  EXPECT_EQ(LevelConfig().position, FindPositionScheme("rope"));
}

TEST(PositionScheme, IsWrittenOnlyWhereItIsNotTheDefault) {
  EXPECT_THAT(ModelConfigToJson(Flat("rope", 0)), Not(HasSubstr("position")));
  const std::string text = ModelConfigToJson(Flat("shaw", 16));
  EXPECT_THAT(text, HasSubstr("\"position\": \"shaw\""));
  EXPECT_THAT(text, HasSubstr("\"position_span\": 16"));
}

TEST(PositionScheme, EachIsAcceptedOnEveryScopeButTheTree) {
  for (const PositionScheme* scheme : OtherPositionSchemes()) {
    EXPECT_EQ(Refusal(PositionConfig(*scheme)), "") << scheme->name;
    ModelConfig tree = PresetConfig("tree").value();
    tree.levels[0].position = scheme;
    tree.levels[0].position_span = scheme->max_span > 0 ? 2000 : 0;
    EXPECT_EQ(Refusal(tree), "levels[0].position: is " +
                                 std::string(scheme->name) +
                                 "; must be rope where dec_scope is tree");
  }
}

TEST(PositionScheme, SumsOverKeysHaveNoDistances) {
  for (const PositionScheme* scheme : PositionSchemes()) {
    const std::string name = scheme->name;
    ModelConfig config = PositionConfig(*scheme);
    config.levels[0].dec_scope = Scope::kLinear;
    const bool suits = name == "rope" || name == "none" || name == "sinusoidal" ||
                       name == "learned";
    if (suits) {
      EXPECT_EQ(Refusal(config), "") << name;
    } else {
      EXPECT_THAT(Refusal(config), HasSubstr("levels[0].position: is " + name +
                                             "; where a scope is linear"));
    }
  }
}

TEST(PositionScheme, SpansAreCheckedByWhatTheyAreFor) {
  EXPECT_EQ(Refusal(Flat("rope", 3)),
            "levels[0].position_span: is 3; must be left out or 0 where position is "
            "rope");
  EXPECT_THAT(Refusal(Flat("learned", 0)),
              HasSubstr("position_span: is 0; must be in [1, 65536]"));
  EXPECT_THAT(Refusal(Flat("shaw", 4097)), HasSubstr("must be in [1, 4096]"));
  // 65537 items at the byte level, 64 spans.
  EXPECT_EQ(Refusal(Flat("xpos", 1024)),
            "levels[0].position_span: is 1024; must be in [1025, 16777216] where "
            "position is xpos and max_context as it is");
  EXPECT_EQ(Refusal(Flat("xpos", 1025)), "");
}

// All powers of xpos stay in float, with room for scores of 10000.
TEST(PositionScheme, XposStaysInRangeOverTheLongestContext) {
  const PositionScheme& xpos = *FindPositionScheme("xpos");
  for (const int64_t context : {2000, 65536, 1 << 24}) {
    ModelConfig config = Flat("xpos", 0);
    config.max_context = context;
    const double farthest =
        static_cast<double>(context) /
        static_cast<double>(LeastFadingSpan(config, 0));
    const double log_product = -xpos.log_scale(0, 32) * farthest;
    EXPECT_LT(std::exp(log_product) * 1e3, 3e38);
    EXPECT_GT(std::exp(-log_product / 2) / 1e3, 1e-37);
    EXPECT_NEAR(PositionCentre(config, 0), context / 2, 1);
  }
}

TEST(PositionScheme, XposFadesFastPairsMost) {
  const PositionScheme& xpos = *FindPositionScheme("xpos");
  EXPECT_NEAR(std::exp(xpos.log_scale(0, 4)), 0.4 / 1.4, 1e-12);
  EXPECT_NEAR(std::exp(xpos.log_scale(3, 4)), 1.15 / 1.4, 1e-12);
}

// The slopes of the paper: 1/2, 1/4, .. 1/256 for eight heads; twelve heads take those,
// then every second one of sixteen.
TEST(PositionScheme, AlibiHasThePapersSlopes) {
  const auto slope = [](int head, int heads) {
    double at_distance_one = 0;
    FindPositionScheme("alibi")->bias(head, heads, 1, 1, &at_distance_one);
    return -at_distance_one;
  };
  for (int h = 0; h < 8; ++h) {
    EXPECT_DOUBLE_EQ(slope(h, 8), std::ldexp(1.0, -(h + 1)));
    EXPECT_DOUBLE_EQ(slope(h, 12), slope(h, 8));
  }
  for (int h = 8; h < 12; ++h) {
    EXPECT_DOUBLE_EQ(slope(h, 12), std::exp2(-0.5 - (h - 8)));
  }
  EXPECT_DOUBLE_EQ(slope(0, 1), 1.0 / 256);
  EXPECT_DOUBLE_EQ(slope(2, 3), 1.0 / 4);
}

TEST(PositionScheme, AlibiGrowsWithTheDistanceOnBothSides) {
  double out[5];
  FindPositionScheme("alibi")->bias(0, 8, 2, 5, out);  // distances 2, 1, 0, -1, -2
  EXPECT_THAT(out, ::testing::ElementsAre(-1, -0.5, 0, -0.5, -1));
}

TEST(PositionShape, CountsTheTensorsOfAScheme) {
  const auto added = [](const char* scheme, int span) {
    return ParameterCount(Flat(scheme, span)) -
           ParameterCount(Flat("rope", 0));
  };
  const LevelConfig level = PresetConfig("flat").value().levels[0];
  const int64_t d = level.dim, n = level.dec_layers, h = level.heads;
  EXPECT_EQ(added("none", 0), 0);
  EXPECT_EQ(added("alibi", 0), 0);
  EXPECT_EQ(added("xpos", 2000), 0);
  EXPECT_EQ(added("sinusoidal", 0), d);
  EXPECT_EQ(added("learned", 100), 100 * d);
  EXPECT_EQ(added("shaw", 16), n * 17 * (d / h));
  EXPECT_EQ(added("transformer-xl", 16), n * (d * d + 2 * d));
  EXPECT_EQ(added("distance-aware", 0), n * 2 * h);
  EXPECT_EQ(added("adaptive-span", 70000), n * h);
}

TEST(PositionShape, ALearnedSpanMayBeAllThatAScopeShows) {
  const auto at_least = [](const ModelConfig& config, const char* least) {
    EXPECT_THAT(ValidateModelConfig(config).message(),
                ::testing::HasSubstr(std::string("position_span: is 1; must be in [") +
                                     least));
  };
  ModelConfig config = PresetConfig("block").value();
  for (LevelConfig& level : config.levels) level.position_span = 0;
  config.levels[0].position = FindPositionScheme("adaptive-span");
  config.levels[0].position_span = 1;
  at_least(config, std::to_string(config.levels[0].window).c_str());
  config.levels[0].dec_scope = Scope::kBlock;
  config.levels[0].enc_scope = Scope::kBidirBlock;
  at_least(config, std::to_string(config.levels[0].block).c_str());
  config.levels[0].dec_scope = Scope::kFull;
  at_least(config, std::to_string(config.max_context + 1).c_str());
}

TEST(PositionShape, OnlyAnEncoderThatLooksAheadHasNegativeDistances) {
  LevelConfig level;
  level.position_span = 5;
  const DistanceRows behind = DistanceRowsOf(level, Scope::kWindow);
  EXPECT_EQ(behind.rows(), 6);
  EXPECT_EQ(behind.Row(9), 5);
  const DistanceRows both = DistanceRowsOf(level, Scope::kBidirBlock);
  EXPECT_EQ(both.rows(), 11);
  EXPECT_EQ(both.Row(-9), 0);
  EXPECT_EQ(both.Row(0), 5);
}

}  // namespace
}  // namespace strata::testing
