// What the availability pass makes of scopes that keep or leave out single items.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "model/availability.h"
#include "model/presets.h"
#include "tests/model/random_config.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

// One decoder layer, alone.
ModelConfig One(Scope scope, int window, int size) {
  ModelConfig config = PresetConfig("flat").value();
  LevelConfig& level = config.levels[0];
  level.dec_scope = scope;
  level.dec_layers = 1;
  level.window = window;
  testing::SetScopeParameters(size, &level);
  return config;
}

bool SeesAll(const ModelConfig& config) {
  const auto reach = Availability(config, 90);
  for (size_t t = 0; t < reach.size(); ++t) {
    for (size_t j = 0; j < t; ++j) {
      if (!reach[t][j]) return false;
    }
  }
  return true;
}

TEST(ScopeAvailability, ADilatedLayerNeedsAnotherThatFillsItsHoles) {
  ModelConfig config = One(Scope::kDilated, 4, 3);
  config.reach = 2;
  EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
              HasSubstr("blind spot: byte 0 does not reach the prediction of "
                        "byte 2"));
  config.levels[0].enc_layers = 1;  // a window of 4
  config.reach = 3 * 3 + 4;
  EXPECT_TRUE(ValidateModelConfig(config).ok()) << ValidateModelConfig(config);
  ++config.reach;
  EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
              HasSubstr("blind spot"));
}

TEST(ScopeAvailability, StridesHideNothingFromTwoLayersWhoseWindowReachesOne) {
  for (const int window : {2, 3, 4, 5, 6}) {
    for (const int stride : {2, 3, 5}) {
      for (const int layers : {1, 2, 3}) {
        ModelConfig config = One(Scope::kStrided, window, stride);
        config.levels[0].dec_layers = layers;
        const bool whole = (layers - 1) * (window - 1) + 1 >= stride;
        EXPECT_EQ(ValidateModelConfig(config).ok(), whole)
            << window << " " << stride << " " << layers;
        EXPECT_EQ(SeesAll(config), whole) << window << " " << stride << " " << layers;
      }
    }
  }
  ModelConfig encoder = One(Scope::kStrided, 5, 5);
  encoder.levels[0].enc_layers = 1;
  EXPECT_TRUE(ValidateModelConfig(encoder).ok());
  // The other way round, strides pass items on that nobody put together.
  std::swap(encoder.levels[0].enc_scope, encoder.levels[0].dec_scope);
  EXPECT_FALSE(ValidateModelConfig(encoder).ok());
}

TEST(ScopeAvailability, SumsHoldAllOfThePast) {
  const ModelConfig config = One(Scope::kLinear, 0, 1);
  EXPECT_TRUE(ValidateModelConfig(config).ok()) << ValidateModelConfig(config);
  EXPECT_TRUE(SeesAll(config));
}

TEST(ScopeAvailability, ItemsKeptAtTheStartHideNothing) {
  ModelConfig config = One(Scope::kGlobalLocal, 4, 100);
  config.reach = 4;
  EXPECT_TRUE(ValidateModelConfig(config).ok()) << ValidateModelConfig(config);
  ++config.reach;  // what stands first are the start and 99 bytes
  EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
              HasSubstr("blind spot: byte 99 does not reach"));
  config.reach = -1;
  EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
              HasSubstr("blind spot"));
  config.reach = 4;
  config.levels[0].global_items = 5000;
  EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
              HasSubstr("levels[0].global_items: is 5000"));
  ModelConfig holes = One(Scope::kStrided, 4, 5000);
  holes.reach = 4;
  EXPECT_THAT(std::string(ValidateModelConfig(holes).message()),
              HasSubstr("levels[0].stride: is 5000"));
}

}  // namespace
}  // namespace strata
