#include "model/state_layout.h"

#include <gtest/gtest.h>

#include "model/presets.h"
#include "model/stream_levels.h"

namespace strata {
namespace {

TEST(CacheSlots, FollowTheScope) {
  EXPECT_EQ(CacheSlots({Scope::kFull}, 4096), 4096);
  EXPECT_EQ(CacheSlots({Scope::kFull}, 4097), 4112);
  EXPECT_EQ(CacheSlots({Scope::kWindow, 32, 8}, 4096), 32);
  EXPECT_EQ(CacheSlots({Scope::kWindow, 33, 8}, 4096), 48);
  EXPECT_EQ(CacheSlots({Scope::kWindow, 4096, 8}, 5), 16);
  EXPECT_EQ(CacheSlots({Scope::kBlock, 0, 8}, 4096), 16);
  EXPECT_EQ(CacheSlots({Scope::kBidirBlock, 0, 8}, 4096), 0);
  EXPECT_EQ(CacheSlots({Scope::kFull}, 0), 0);
  // Three rings of 32.
  EXPECT_EQ(CacheSlots({Scope::kDilated, 32, 0, 3}, 4096), 96);
  // Of 32 items 28 share a ring; 512 stay.
  EXPECT_EQ(CacheSlots({Scope::kStrided, 32, 0, 0, 8}, 4096), 28 + 512 + 4);
  EXPECT_EQ(CacheSlots({Scope::kGlobalLocal, 60, 0, 0, 0, 4}, 4096), 64);
  EXPECT_EQ(CacheSlots({Scope::kGlobalLocal, 60, 0, 0, 0, 4}, 17), 32);
}

TEST(StateBytes, IsAHandCountOfTheSmallBlockModel) {
  // 1000 items: 125 units, so 126 global slots, 128 rounded up.
  const int64_t byte_level = 2 * 2 * 32 * 128;  // enc and dec; K and V
  const int64_t pool_and_context = 2 * 8 * 128;
  const int64_t global = 2 * 2 * 128 * 128;
  const ModelConfig config = PresetConfig("block").value();
  EXPECT_EQ(StateBytes(config, 1000),
            4 * (byte_level + pool_and_context + global));
  EXPECT_EQ(StateBytes(config, 1000, 2) * 2, StateBytes(config, 1000, 4));
}

TEST(StateBytes, IsAHandCountOfTheFlatModel) {
  EXPECT_EQ(StateBytes(PresetConfig("flat").value(), 1000),
            int64_t{4} * 5 * 2 * 1008 * 128);
  // 1024 items have 1025 contexts.
  EXPECT_EQ(StateBytes(PresetConfig("flat").value(), 1024),
            int64_t{4} * 5 * 2 * 1040 * 128);
}

TEST(StateBytes, GatesKeepNothing) {
  ModelConfig config = PresetConfig("block").value();
  const int64_t summed = StateBytes(config, 1000);
  config.levels[0].gate = config.levels[1].gate = GateKind::kGru;
  EXPECT_EQ(StateBytes(config, 1000), summed);
}

TEST(StateBytes, EveryRepeatHasCachesOfItsOwn) {
  ModelConfig config = PresetConfig("flat").value();
  config.levels[0].repeats = 3;
  EXPECT_EQ(StateBytes(config, 1000), int64_t{4} * 15 * 2 * 1008 * 128);
  config = PresetConfig("block").value();
  const int64_t once = StateBytes(config, 1000);
  config.levels[0].repeats = 2;
  EXPECT_EQ(StateBytes(config, 1000) - once, 4 * 2 * 2 * 32 * 128);
  config.levels[0].ponder = 0.1;  // who halts leaves keys and values in all of them
  EXPECT_EQ(StateBytes(config, 1000) - once, 4 * 2 * 2 * 32 * 128);
}

TEST(StateBytes, IsAHandCountOfTheTreeModel) {
  // 1001 contexts: 62 complete leaves of 16, so nodes of heights 0 to 5, two
  // vectors each; 28 slots, 32 rounded up.
  EXPECT_EQ(StateBytes(PresetConfig("tree").value(), 1000),
            int64_t{4} * 5 * 2 * 32 * 128);
  // Sixty-four times the context: six heights more, 40 slots, 48 rounded up.
  EXPECT_EQ(StateBytes(PresetConfig("tree").value(), 64000),
            int64_t{4} * 5 * 2 * 48 * 128);
  ModelConfig capped = PresetConfig("tree").value();
  capped.levels[0].tree_height = 2;
  // Heights 0 and 1, and 15 roots of height 2: 50 slots, 64 rounded up.
  EXPECT_EQ(StateBytes(capped, 1000), int64_t{4} * 5 * 2 * 64 * 128);
}

TEST(StateLayout, BuffersTileTheState) {
  for (const std::string& name : PresetNames()) {
    const ModelConfig config = PresetConfig(name).value();
    for (const int64_t capacity : {1, 7, 8, 9, 512, 65536}) {
      const StateLayout layout = MakeStateLayout(config, capacity);
      const std::vector<LevelConfig> levels = StackLevels(config);
      ASSERT_EQ(layout.levels.size(), levels.size());
      int64_t at = 0;
      for (size_t l = 0; l < layout.levels.size(); ++l) {
        const LevelConfig& level = levels[l];
        const bool stream = l >= config.levels.size();
        const LevelLayout& out = layout.levels[l];
        EXPECT_EQ(out.enc_offset, at);
        at += 2 * EncoderRuns(level) * out.enc_slots * level.dim;
        EXPECT_EQ(out.dec_offset, at);
        at += 2 * DecoderRuns(level) * out.dec_slots * level.dim;
        EXPECT_EQ(out.pool_offset, at);
        at += (BufferedItems(level) + StreamTail(level)) * level.dim;
        EXPECT_EQ(out.context_offset, at);
        at += (ContextRows(level) + (stream ? level.dec_layers : 0)) * level.dim;
        EXPECT_EQ(out.router_offset, at);
        at += RouterItems(level) * level.dim;
        EXPECT_EQ(out.bridge_offset, at);
        at += 2 * BridgeSlots(level) * level.dim;
        EXPECT_EQ(out.enc_slots % kSlotMultiple, 0);
        EXPECT_EQ(out.dec_slots % kSlotMultiple, 0);
      }
      EXPECT_EQ(layout.values, at) << name;
      EXPECT_EQ(StateBytes(config, capacity, 1), at) << name;
    }
  }
}

TEST(StateBytes, KeysAndValuesMayHaveASizeOfTheirOwn) {
  const ModelConfig flat = PresetConfig("flat").value();
  EXPECT_EQ(StateBytes(flat, 1000, ValueBytes{2, 4}), StateBytes(flat, 1000) / 2);
  // A pool buffer of 8 items and their 8 contexts.
  const ModelConfig block = PresetConfig("block").value();
  const int64_t others = int64_t{2} * 8 * 128;
  EXPECT_EQ(StateBytes(block, 1000, ValueBytes{2, 4}),
            2 * (StateBytes(block, 1000, 1) - others) + 4 * others);
}

TEST(StateBytes, ABridgeThatRepeatsKeepsOneContext) {
  ModelConfig config = PresetConfig("block").value();
  const int64_t linear = StateBytes(config, 100);
  config.levels[0].bridge = BridgeKind::kRepeat;
  EXPECT_EQ(linear - StateBytes(config, 100), int64_t{4} * 7 * 128);
}

TEST(StateBytes, ABridgeThatAttendsKeepsARingOfContexts) {
  ModelConfig config = PresetConfig("block").value();
  const int64_t linear = StateBytes(config, 100);
  config.levels[0].bridge = BridgeKind::kAttention;
  config.levels[0].bridge_window = 9;  // 16 slots, whatever the capacity
  EXPECT_EQ(StateBytes(config, 100) - linear, int64_t{4} * 2 * 16 * 128);
  config.levels[0].bridge_window = 17;  // 32
  EXPECT_EQ(StateBytes(config, 100) - linear, int64_t{4} * 2 * 32 * 128);
}

TEST(StateBytes, APrefixIsInTheCacheOfItsBlock) {
  ModelConfig config = PresetConfig("megabyte").value();
  config.levels[0].block = 15;
  const int64_t added = StateBytes(config, 100);
  config.levels[0].bridge = BridgeKind::kPrefix;
  config.levels[0].prefix = 2;  // a slot that there is room for
  const LevelConfig& level = config.levels[0];
  const int64_t contexts = int64_t{4} * 15 * level.dim;
  EXPECT_EQ(added - StateBytes(config, 100), contexts);
  config.levels[0].prefix = 3;  // 17 slots, 32 rounded up
  EXPECT_EQ(added - StateBytes(config, 100),
            contexts - int64_t{4} * level.dec_layers * 2 * 16 * level.dim);
}

TEST(StateBytes, SumsAreTheSameHoweverLongTheText) {
  ModelConfig config = PresetConfig("flat").value();
  config.levels[0].dec_scope = Scope::kLinear;
  // Of each head 32 features of 32 values, and z.
  for (const int64_t capacity : {1, 1000, 65536}) {
    EXPECT_EQ(StateBytes(config, capacity), int64_t{4} * 5 * 33 * 128);
  }
  config.levels[0].repeats = 2;
  EXPECT_EQ(StateBytes(config, 1), int64_t{4} * 10 * 33 * 128);
}

TEST(StateBytes, GrowsWithCapacityOnlyWhereAScopeDoes) {
  ModelConfig config = PresetConfig("block").value();
  EXPECT_LT(StateBytes(config, 4096), StateBytes(config, 8192));
  config.levels[1].dec_scope = Scope::kWindow;
  config.levels[1].window = 64;
  EXPECT_EQ(StateBytes(config, 4096), StateBytes(config, 8192));
  for (const Scope scope : {Scope::kDilated, Scope::kGlobalLocal}) {
    config.levels[1].dec_scope = scope;
    config.levels[1].dilation = config.levels[1].global_items = 4;
    EXPECT_EQ(StateBytes(config, 4096), StateBytes(config, 8192));
  }
  config.levels[1].dec_scope = Scope::kStrided;
  config.levels[1].stride = 16;
  // 512 units more, one slot for sixteen of them.
  EXPECT_EQ(StateBytes(config, 8192) - StateBytes(config, 4096),
            int64_t{4} * 2 * 2 * 32 * 128);
}

}  // namespace
}  // namespace strata
