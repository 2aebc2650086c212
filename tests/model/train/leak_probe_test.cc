// P14: a model that sees the future is told from one that does not.

#include "model/train/leak_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/presets.h"
#include "tests/model/small_presets.h"

namespace strata {
namespace {

class LeakProbe : public ::testing::TestWithParam<const char*> {};

TEST_P(LeakProbe, AnHonestModelPasses) {
  HierarchicalTransformer model(*PresetConfig(GetParam()));
  model->train();
  const absl::Status status = ProbeForLeaks(model);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(model->is_training());
}

INSTANTIATE_TEST_SUITE_P(Presets, LeakProbe,
                         ::testing::ValuesIn(testing::kSmallPresets));

TEST(LeakProbeTest, PlantedLeaksAreNamed) {
  for (const auto& [name, faults] :
       {std::pair("block", ShadowFaults{.no_block_shift = true}),
        std::pair("tree", ShadowFaults{.tree_node_early = true}),
        std::pair("multirate", ShadowFaults{.stream_item_early = true}),
        std::pair("block-literal", ShadowFaults{.skip_bidirectional = true})}) {
    HierarchicalTransformer model(*PresetConfig(name),
                                  ModelOptions{.seed = 3, .faults = faults});
    const absl::Status status = ProbeForLeaks(model);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << name;
    EXPECT_THAT(status.message(), ::testing::HasSubstr("LEAK: "));
  }
}

TEST(LeakProbeTest, TheFloorIsBelowWhatIsPublished) {
  EXPECT_LT(LossFloorBitsPerByte(38'000'000), 0.994);
  EXPECT_LT(LossFloorBitsPerByte(277'000'000), 0.96);
  EXPECT_GE(LossFloorBitsPerByte(1'000'000), LossFloorBitsPerByte(100'000'000));
}

}  // namespace
}  // namespace strata
