#include "model/inspect/load_inspector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "model/chat_template.h"
#include "model/hierarchy/item_loss.h"
#include "model/hierarchy/weights.h"
#include "model/version_dir.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/testing/temp_dir.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;

class LoadInspectorTest : public ::testing::Test {
 protected:
  LoadInspectorTest() {
    auto writer = DirWriter::Create(version(), "test");
    EXPECT_TRUE(writer.ok());
    EXPECT_TRUE(
        SaveModelWeights(model_, writer->path() + "/model.safetensors").ok());
    EXPECT_TRUE(
        writer->WriteFile("config.json", ModelConfigToJson(config_)).ok());
    EXPECT_TRUE(writer->Commit({}).ok());
  }

  std::string version() const { return dir_ / "1"; }

  const TempDir dir_;
  const ModelConfig config_ = TestedConfig("three-levels");
  const HierarchicalTransformer model_ = SharpModel(config_, torch::kFloat);
};

TEST_F(LoadInspectorTest, TellsWhatTheModelDid) {
  const auto inspector = TorchInspectorLoader(1)(version());
  ASSERT_TRUE(inspector.ok()) << inspector.status();
  EXPECT_EQ((*inspector)->config(), config_);
  const std::string text = "A text of some thirty bytes, no less.";
  const auto inspection = (*inspector)->Inspect(text, {});
  ASSERT_TRUE(inspection.ok()) << inspection.status();
  ASSERT_EQ(inspection->surprise_bits.size(), text.size());
  ASSERT_EQ(inspection->levels.size(), 3u);
  const std::vector<Item> items = RenderText(text);
  const auto losses = ItemLosses(
      model_, torch::tensor(std::vector<int64_t>(items.begin(), items.end()),
                            torch::kLong)
                  .unsqueeze(0));
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_NEAR(inspection->surprise_bits[i] * std::log(2.0),
                losses[0][static_cast<int64_t>(i) + 1].item<double>(), 1e-4);
  }
  // A second one finds the layers as the first did.
  const auto again = (*inspector)->Inspect(text, {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->surprise_bits, inspection->surprise_bits);
  const auto& maps = inspection->levels[0].stacks[0].maps;
  EXPECT_EQ(again->levels[0].stacks[0].maps.size(), maps.size());
  EXPECT_EQ(again->levels[0].stacks[0].maps[0].rows[5].links[0].weight,
            maps[0].rows[5].links[0].weight);
}

TEST_F(LoadInspectorTest, OptionsThatDoNotFitAreRefused) {
  const auto inspector = TorchInspectorLoader(1)(version()).value();
  InspectOptions options;
  options.levels = {3};
  const absl::Status status = inspector->Inspect("a", options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr("levels[0] is 3"));
}

TEST_F(LoadInspectorTest, DamageIsFoundAndTheFolderNamed) {
  std::ofstream(version() + "/config.json", std::ios::app) << " ";
  const absl::Status damaged = TorchInspectorLoader(1)(version()).status();
  EXPECT_TRUE(absl::IsDataLoss(damaged)) << damaged;
  EXPECT_THAT(damaged.message(), HasSubstr(version()));
  EXPECT_FALSE(TorchInspectorLoader(1)(dir_ / "2").ok());
}

}  // namespace
}  // namespace strata::testing
