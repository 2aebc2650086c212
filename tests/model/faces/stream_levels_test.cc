// Streams beside a decoder: what a config of them must be, what it costs, what it sees.

#include "model/stream_levels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/availability.h"
#include "model/state_layout.h"
#include "tests/model/faces/refused_config.h"
#include "tests/model/stream_config.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using testing::ExpectRefused;
using testing::StreamConfigNames;
using testing::StreamTestConfig;

TEST(StreamItems, AreMadeAtEveryStridethPlaceFromTheFirstOn) {
  const StreamConfig stream = {6, 3, 8, 1, 0};
  EXPECT_EQ(StreamItems(stream, 0), 0);
  int64_t made = 0;
  for (int64_t place = 0; place < 20; ++place) {
    if (place % 3 == 0) ++made;
    EXPECT_EQ(StreamItems(stream, place + 1), made);
    EXPECT_EQ(made - 1, place / 3);  // the newest that a place sees
  }
}

TEST(StreamConfigs, AreValidAndComeBackFromJson) {
  for (const std::string& name : StreamConfigNames()) {
    const ModelConfig config = StreamTestConfig(name);
    EXPECT_TRUE(ValidateModelConfig(config).ok())
        << name << " " << ValidateModelConfig(config);
    const std::string json = ModelConfigToJson(config);
    EXPECT_TRUE(ParseModelConfig(json).value() == config) << json;
  }
}

TEST(ValidateModelConfig, SaysWhatStreamsNeed) {
  const auto first = [](int StreamConfig::*field, int value) {
    return [=](ModelConfig* c) { c->levels[0].streams[0].*field = value; };
  };
  ExpectRefused(
      "multirate",
      {{first(&StreamConfig::rate, 1), "levels[0].streams[0].rate: is 1; must be in [2, 64]"},
       {first(&StreamConfig::rate, 65), "levels[0].streams[0].rate: is 65"},
       {first(&StreamConfig::stride, 0),
        "levels[0].streams[0].stride: is 0; must be in [1, 2]"},
       {first(&StreamConfig::rate, 3),
        "levels[0].streams[0].stride: is 2; must divide rate, which is 3"},
       {first(&StreamConfig::dim, 63), "levels[0].streams[0].dim: is 63"},
       {first(&StreamConfig::heads, 0), "levels[0].streams[0].heads: is 0"},
       {first(&StreamConfig::window, -1), "levels[0].streams[0].window: is -1"},
       {[](ModelConfig* c) { c->levels[0].streams[1].stride = 4; },
        "levels[0].streams[1].window: is 0; must be at least 1 where stride is less"},
       {[](ModelConfig* c) { c->levels[0].streams.resize(5, {2, 2, 16, 1, 4}); },
        "levels[0].streams: has 5 entries; must have at most 4"},
       {[](ModelConfig* c) {
          c->levels[0].streams = {{63, 63, 16, 1, 0}, {64, 64, 16, 1, 0}};
        },
        "levels[0].streams: make items together every 4032 items"}});
}

TEST(ValidateModelConfig, SaysWhatDoesNotGoWithStreams) {
  ExpectRefused(
      "multirate",
      {{[](ModelConfig* c) { c->levels[0].dec_layers = 0; },
        "levels[0].dec_layers: is 0; must be at least 1 where there are streams"},
       {[](ModelConfig* c) { c->levels[0].repeats = 2; },
        "levels[0].repeats: is 2; must be 1 where there are streams"},
       {[](ModelConfig* c) { c->levels[0].exits = 1; },
        "levels[0].exits: is 1; must be 0 where there are streams"},
       {[](ModelConfig* c) { c->levels[0].gate = GateKind::kReversible; },
        "levels[0].gate: is reversible; must be another where there are streams"},
       {[](ModelConfig* c) {
          c->levels[0].dec_scope = Scope::kFull;
          c->levels[0].window = 0;
          c->levels[0].trained_attention = TrainedAttention::kLsh;
          c->levels[0].buckets = 2;
          c->levels[0].hash_rounds = 1;
        },
        "levels[0].trained_attention: must be exact where there are streams"},
       {[](ModelConfig* c) { c->levels[0].knn_layer = 1; },
        "levels[0].streams: must be empty where knn_layer is not 0"},
       {[](ModelConfig* c) { c->levels[0].memory = MemoryKind::kSegment; },
        "levels[0].memory: is segment; must be none where there are streams"}});
  ExpectRefused("block", {{[](ModelConfig* c) {
                             c->levels[0].streams = {{2, 2, 16, 1, 4}};
                           },
                           "levels[0].streams: must be empty in a model of more than"},
                          {[](ModelConfig* c) {
                             c->levels[1].streams = {{2, 2, 16, 1, 4}};
                           },
                           "levels[1].streams: must be empty in a model of more than"}});
}

TEST(ParameterCount, OfStreamsIsAHandCount) {
  ModelConfig config = StreamTestConfig("streams");
  const int64_t with = ParameterCount(config);
  config.levels[0].streams.clear();
  // Widths 20 and 16 beside 24, feed-forwards twice as wide.
  const int64_t first = 20 * 4 * 24 + 20 + 2 * (8 * 20 * 20 + 2 * 20);
  const int64_t second = 16 * 2 * 24 + 16 + 2 * (8 * 16 * 16 + 2 * 16);
  const int64_t merges = 2 * (60 + 60 * 48 + 48 * 24);
  EXPECT_EQ(with - ParameterCount(config), first + second + merges);
}

TEST(StateBytes, OfStreamsIsAHandCount) {
  ModelConfig config = StreamTestConfig("streams");
  const int64_t with = StateBytes(config, 1000);
  config.levels[0].streams.clear();
  // 251 items of the first, 256 rounded up; a window of 5 of the second. Two layers each,
  // what they made last, and three vectors that entered.
  const int64_t first = 2 * 2 * 256 * 20 + 2 * 20;
  const int64_t second = 2 * 2 * 16 * 16 + 2 * 16;
  EXPECT_EQ(with - StateBytes(config, 1000), 4 * (first + second + 3 * 24));
  // Overlapping items of one stream are kept in three rings of four.
  const StateLayout layout = MakeStateLayout(StreamTestConfig("streams-overlap"), 1000);
  ASSERT_EQ(layout.levels.size(), 4u);
  EXPECT_EQ(layout.levels[1].dec_slots, 16);
  EXPECT_EQ(layout.levels[3].dec_slots, 128);
}

TEST(DocumentAlignment, IsWhereAllStreamsMakeItems) {
  EXPECT_EQ(DocumentAlignment(StreamTestConfig("streams")), 4);
  EXPECT_EQ(DocumentAlignment(StreamTestConfig("streams-overlap")), 8);
  EXPECT_EQ(DocumentAlignment(StreamTestConfig("streams-windows")), 3);
  ModelConfig config = StreamTestConfig("streams");
  config.levels[0].streams = {{6, 6, 16, 1, 0}, {4, 4, 16, 1, 2}};
  EXPECT_EQ(DocumentAlignment(config), 12);
}

TEST(CheckAvailability, SeesAnItemThatIsThereTooEarly) {
  const ModelConfig config = StreamTestConfig("streams");
  const auto status = CheckAvailability(config, {.stream_item_early = true});
  EXPECT_THAT(std::string(status.message()), HasSubstr("leak: byte"));
  EXPECT_TRUE(CheckAvailability(config).ok());
}

// What the slowest stream has not taken up yet must be in the base's windows.
TEST(CheckAvailability, SeesWhatLiesBetweenAnItemAndItsPlace) {
  ModelConfig config = StreamTestConfig("streams");
  LevelConfig& base = config.levels[0];
  base.dec_layers = 1;
  base.streams = {{8, 8, 16, 1, 0}};
  base.window = 8;
  EXPECT_TRUE(ValidateModelConfig(config).ok()) << ValidateModelConfig(config);
  base.window = 6;
  EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
              HasSubstr("blind spot: byte 0 does not reach the prediction of byte 7"));
  config.reach = 6;  // a place has read the byte before it
  EXPECT_TRUE(ValidateModelConfig(config).ok()) << ValidateModelConfig(config);
  base.streams[0].window = 4;
  config.reach = -1;
  EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
              HasSubstr("blind spot"));
}

}  // namespace
}  // namespace strata
