#include "model/decoder_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "model/presets.h"

namespace strata {
namespace {

using ::testing::ElementsAre;

TEST(DecoderPlaces, PrefixesStandBeforeTheirBlock) {
  LevelConfig level = PresetConfig("block-transformer").value().levels[0];
  level.block = 3;
  level.prefix = 3;
  std::vector<int64_t> places;
  for (int64_t i = -1; i < 8; ++i) places.push_back(DecoderPlace(level, i));
  EXPECT_THAT(places, ElementsAre(-1, 2, 3, 4, 7, 8, 9, 12, 13));
  EXPECT_EQ(DecoderPlaces(level, 0), 0);
  EXPECT_EQ(DecoderPlaces(level, 4), 8);
  EXPECT_EQ(DecoderSpec(level).block, 5);
  level.prefix = 1;
  EXPECT_EQ(DecoderPlace(level, 7), 7);
  EXPECT_EQ(DecoderSpec(level).block, 3);
}

}  // namespace
}  // namespace strata
