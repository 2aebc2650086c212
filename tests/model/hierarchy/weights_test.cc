// Weights: names, initialisation, files, and what a bad file is told.

#include "model/hierarchy/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/hierarchy/item_loss.h"
#include "model/presets.h"
#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;

class WeightsTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) {
    return ::testing::TempDir() + "/strata_weights_" + name;
  }
  ModelConfig config_ = TestedConfig("three-levels");
};

bool SameWeights(const HierarchicalTransformer& a,
                 const HierarchicalTransformer& b) {
  const auto left = a->named_parameters();
  const auto right = b->named_parameters();
  for (const auto& entry : left) {
    if (!at::equal(entry.value(), right[entry.key()])) return false;
  }
  return left.size() == right.size();
}

TEST_F(WeightsTest, ParametersAreAsManyAsTheFormulaSays) {
  for (const auto& name : TestedModels()) {
    const ModelConfig config = TestedConfig(name);
    HierarchicalTransformer model(config);
    int64_t count = 0;
    for (const auto& p : model->parameters()) count += p.numel();
    EXPECT_EQ(count, ParameterCount(config)) << name;
  }
}

TEST_F(WeightsTest, NamesAreThoseOfTheReadme) {
  HierarchicalTransformer model(config_);
  const auto parameters = model->named_parameters();
  for (const char* name :
       {"embedding.weight", "head.weight", "level.0.start",
        "level.0.norm.weight", "level.0.enc.0.attn.norm.weight",
        "level.0.enc.0.attn.qkv.weight", "level.0.enc.0.attn.out.weight",
        "level.2.dec.1.ff.norm.weight", "level.2.dec.1.ff.up.weight",
        "level.2.dec.1.ff.down.weight", "level.1.pool.norm.weight",
        "level.1.pool.offset", "level.1.pool.query", "level.1.pool.key.weight",
        "level.1.pool.value.weight", "level.1.pool.out.weight",
        "level.1.bridge.weight"}) {
    EXPECT_TRUE(parameters.contains(name)) << name;
  }
}

TEST_F(WeightsTest, InitialisationIsAFunctionOfTheSeed) {
  torch::manual_seed(3);
  const auto before = at::detail::getDefaultCPUGenerator().get_state();
  HierarchicalTransformer a(config_, ModelOptions{.seed = 7});
  const auto after = at::detail::getDefaultCPUGenerator().get_state();
  EXPECT_TRUE(at::equal(before, after)) << "drew from the global generator";
  torch::manual_seed(4);
  HierarchicalTransformer b(config_, ModelOptions{.seed = 7});
  HierarchicalTransformer c(config_, ModelOptions{.seed = 8});
  EXPECT_TRUE(SameWeights(a, b));
  EXPECT_FALSE(SameWeights(a, c));
}

TEST_F(WeightsTest, FreshModelsPredictNearlyUniformly) {
  for (const auto& name : TestedModels()) {
    HierarchicalTransformer model(TestedConfig(name));
    model->eval();
    const auto items = RandomBytes(2, 96, 1);
    const double nats = ItemLosses(model, items).mean().item<double>();
    EXPECT_NEAR(nats, std::log(260.0), 0.4) << name;
  }
}

TEST_F(WeightsTest, SavedWeightsComeBackBitForBit) {
  HierarchicalTransformer saved(config_, ModelOptions{.seed = 7});
  HierarchicalTransformer loaded(config_, ModelOptions{.seed = 8});
  ASSERT_TRUE(SaveModelWeights(saved, Path("round")).ok());
  ASSERT_TRUE(LoadModelWeights(Path("round"), &loaded).ok());
  EXPECT_TRUE(SameWeights(saved, loaded));
}

TEST_F(WeightsTest, AnotherArchitectureOfEqualShapesIsRefused) {
  HierarchicalTransformer saved(config_);
  ASSERT_TRUE(SaveModelWeights(saved, Path("window")).ok());
  ModelConfig wider = config_;
  wider.levels[0].window = 16;
  HierarchicalTransformer loaded(wider);
  EXPECT_EQ(LoadModelWeights(Path("window"), &loaded).code(),
            absl::StatusCode::kInvalidArgument);
  ModelConfig drier = config_;
  drier.dropout = 0.3;
  HierarchicalTransformer fine(drier);
  EXPECT_TRUE(LoadModelWeights(Path("window"), &fine).ok());
}

TEST_F(WeightsTest, UnknownMissingMisshapenAndNonFiniteTensorsAreNamed) {
  HierarchicalTransformer model(config_, ModelOptions{.seed = 7});
  HierarchicalTransformer untouched(config_, ModelOptions{.seed = 7});
  const NamedTensors named = ToNamedTensors(*model).value();
  std::map<std::string, TensorView> good;
  for (const auto& view : named.views) good[view.name] = view.tensor;

  auto missing = good;
  missing.erase("level.0.start");
  EXPECT_THAT(LoadNamedTensors(missing, model.get()).message(),
              HasSubstr("level.0.start is missing"));
  auto unknown = good;
  unknown["level.0.stop"] = good["level.0.start"];
  EXPECT_THAT(LoadNamedTensors(unknown, model.get()).message(),
              HasSubstr("level.0.stop is not part"));
  auto misshapen = good;
  misshapen["level.0.start"] = good["level.2.start"];
  EXPECT_THAT(LoadNamedTensors(misshapen, model.get()).message(),
              HasSubstr("level.0.start has shape [32]; must be [16]"));
  const auto bad = torch::full({16}, NAN);
  const auto nan = ToNamedTensors({{"level.0.start", bad}}).value();
  auto nonfinite = good;
  nonfinite["level.0.start"] = nan.views[0].tensor;
  EXPECT_THAT(LoadNamedTensors(nonfinite, model.get()).message(),
              HasSubstr("level.0.start has a value that is not finite"));
  EXPECT_TRUE(SameWeights(model, untouched));
}

}  // namespace
}  // namespace strata::testing
