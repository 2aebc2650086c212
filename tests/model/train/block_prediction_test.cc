// Next-block prediction: the sum is that of its formula, of learnt blocks alone; only
// the variance term moves the items; and what is published has nothing of it.

#include "model/train/block_prediction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "model/hierarchy/item_loss.h"
#include "model/hierarchy/weights.h"
#include "model/presets.h"
#include "model/train/adamw.h"
#include "model/train/model_source.h"
#include "model/unit_rule.h"
#include "model/version_dir.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::SampleText;
using testing::TempDir;
using testing::TinyConfig;
using testing::TinyRun;

// Threads that wait for one another take minutes on a busy machine.
class OneThread : public ::testing::Environment {
 public:
  void SetUp() override { at::set_num_threads(1); }
};
const auto* const kOneThread =
    ::testing::AddGlobalTestEnvironment(new OneThread);

// [rows, n] of text, each row another part of it.
torch::Tensor TextRows(int64_t rows, int64_t n) {
  const std::string text = SampleText(static_cast<size_t>(rows * n));
  auto items = torch::empty({rows, n}, torch::kInt64);
  for (int64_t i = 0; i < rows * n; ++i) {
    items.data_ptr<int64_t>()[i] = static_cast<uint8_t>(text[i]);
  }
  return items;
}

torch::Tensor SomeTrained(int64_t rows, int64_t n) {
  auto generator = at::detail::createCPUGenerator(3);
  return torch::randint(0, 4, {rows, n}, generator, torch::kInt64) != 0;
}

// A model and predictors that are not zero any more.
struct Pair {
  explicit Pair(const ModelConfig& config, BlockLossFaults faults = {})
      : model(config, ModelOptions{.seed = 3}), predictor(config, faults) {
    torch::NoGradGuard no_grad;
    model->to(torch::kDouble);
    model->eval();
    predictor->to(torch::kDouble);
    auto generator = at::detail::createCPUGenerator(4);
    for (auto& p : predictor->parameters()) p.normal_(0, 0.2, generator);
  }

  std::vector<LevelActivations> Activations(const torch::Tensor& items) {
    std::vector<LevelActivations> levels;
    PredictingContexts(model, items, {}, &levels);
    return levels;
  }
  double LossSum(const torch::Tensor& items, const torch::Tensor& trained) {
    torch::NoGradGuard no_grad;
    return predictor->LossSum(Activations(items), trained)
        .item<double>();
  }

  HierarchicalTransformer model;
  BlockPredictor predictor;
};

constexpr BlockLossFaults kErrorAlone = {.no_variance_term = true};

class BlockPredictionTest : public ::testing::TestWithParam<const char*> {
 protected:
  ModelConfig config_ = PresetConfig(GetParam()).value();
};

// Of one row, item by item.
double NaiveErrorSum(Pair& pair, const torch::Tensor& items,
                     const torch::Tensor& trained) {
  const ModelConfig& config = pair.model->config();
  const auto levels = pair.Activations(items);
  const auto matrices = pair.predictor->parameters();
  std::vector<double> weights;
  for (int64_t i = 0; i < items.size(1); ++i) {
    weights.push_back(trained[0][i].item<double>());
  }
  std::vector<uint8_t> ends;
  const auto fed = items.slice(1, 0, -1).contiguous();
  if (config.levels[0].block_rule != BlockRule::kFixed) {
    ends = RuleUnitEnds(config.levels[0],
                        {fed.const_data_ptr<int64_t>(), size_t(fed.numel())}, {});
  }
  double sum = 0;
  for (size_t l = 1; l < config.levels.size(); ++l) {
    std::vector<double> above;
    double open = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      open += weights[i];
      const bool end = ends.empty()
                           ? (i + 1) % config.levels[l - 1].block == 0
                           : i < ends.size() && ends[i];
      if (!end) continue;
      above.push_back(open);
      open = 0;
    }
    const auto& p = levels[l - 1].p;
    above.resize(std::min<size_t>(above.size(), p.size(1)));
    for (size_t j = 0; j < above.size(); ++j) {
      const auto z = p[0][j] / (p[0][j].square().mean() + 1e-5).sqrt();
      const auto foreseen = at::mv(matrices[l - 1], levels[l - 1].o[0][j]);
      sum += above[j] * (foreseen - z).square().mean().item<double>();
    }
    weights = above;
  }
  return sum;
}

TEST_P(BlockPredictionTest, TheErrorIsThatOfTheFormula) {
  torch::NoGradGuard no_grad;
  Pair pair(config_, kErrorAlone);
  const auto items = TextRows(1, 96);
  const auto trained = SomeTrained(1, 96);
  const double expected = NaiveErrorSum(pair, items, trained);
  EXPECT_GT(expected, 1);
  EXPECT_NEAR(pair.LossSum(items, trained) / expected, 1, 1e-9);
}

TEST_P(BlockPredictionTest, ErrorsOfRowsAddUp) {
  Pair pair(config_, kErrorAlone);
  const auto items = TextRows(4, 96);
  const auto trained = SomeTrained(4, 96);
  double sum = 0;
  for (int64_t row = 0; row < 4; ++row) {
    sum += pair.LossSum(items.narrow(0, row, 1), trained.narrow(0, row, 1));
  }
  EXPECT_NEAR(pair.LossSum(items, trained) / sum, 1, 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Presets, BlockPredictionTest,
                         ::testing::Values("block", "block-literal",
                                           "block-transformer", "three-level",
                                           "hourglass",
                                           "megabyte", "spacebyte"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(BlockPrediction, NothingLearntCostsNothing) {
  Pair pair(TinyConfig());
  const auto items = TextRows(2, 64);
  const auto none = torch::zeros({2, 64}, torch::kUInt8);
  EXPECT_EQ(pair.LossSum(items, none), 0);
  auto one = none.clone();
  one[0][9] = 1;  // one block has no deviation
  EXPECT_GT(pair.LossSum(items, one), 0);
}

TEST(BlockPrediction, AtZeroItKnowsNothing) {
  Pair pair(TinyConfig(), kErrorAlone);
  pair.predictor->Reset();
  const auto items = TextRows(2, 65);
  const auto trained = torch::ones({2, 65}, torch::kUInt8);
  EXPECT_NEAR(pair.LossSum(items, trained) / 128, 1, 1e-3);
}

// Gradient of the sum in the pooled items, and in the contexts.
std::pair<double, double> Gradients(BlockLossFaults faults) {
  Pair pair(TinyConfig(), faults);
  const auto items = TextRows(2, 64);
  auto levels = pair.Activations(items);
  for (LevelActivations& level : levels) {
    if (!level.p.defined()) continue;
    level.p = level.p.detach().requires_grad_(true);
    level.o = level.o.detach().requires_grad_(true);
  }
  pair.predictor
      ->LossSum(levels, torch::ones({2, 64}, torch::kUInt8))
      .backward();
  const auto size = [](const torch::Tensor& x) {
    return x.grad().defined() ? x.grad().norm().item<double>() : 0.0;
  };
  return {size(levels[0].p), size(levels[0].o)};
}

TEST(BlockPrediction, TheErrorMovesTheContextsAndOnlyTheVarianceTheItems) {
  const auto error = Gradients(kErrorAlone);
  EXPECT_EQ(error.first, 0);
  EXPECT_GT(error.second, 0);
  EXPECT_GT(Gradients({}).first, 0);
  EXPECT_GT(
      Gradients({.gradient_to_target = true, .no_variance_term = true}).first,
      0);
}

// The mean deviation of the items' channels after some steps of next-block prediction
// and nothing else.
double DeviationAfterTraining(BlockLossFaults faults) {
  HierarchicalTransformer model(TinyConfig(), ModelOptions{.seed = 3});
  model->eval();  // no dropout
  BlockPredictor predictor(TinyConfig(), faults);
  std::vector<NamedParameter> weights = Weights(*model);
  for (const NamedParameter& p : Weights(*predictor)) weights.push_back(p);
  AdamW optimizer(weights, {.weight_decay = 0});
  const auto items = TextRows(8, 64);
  const auto trained = torch::ones({8, 64}, torch::kUInt8);
  std::vector<LevelActivations> levels;
  for (int64_t step = 1; step <= 200; ++step) {
    optimizer.ZeroGrad();
    levels.clear();
    PredictingContexts(model, items, {}, &levels);
    predictor->LossSum(levels, trained).div(512).backward();
    optimizer.Step(3e-3, step);
  }
  torch::NoGradGuard no_grad;
  const auto z = OfUnitSize(levels[0].p).flatten(0, 1);
  return ChannelDeviations(z).mean().item<double>();
}

TEST(BlockPrediction, ItemsCollapseWithoutItsGuardsAndNotWithThem) {
  const double guarded = DeviationAfterTraining({});
  const double collapsed = DeviationAfterTraining(
      {.gradient_to_target = true, .no_variance_term = true});
  const double held = DeviationAfterTraining({.gradient_to_target = true});
  RecordProperty("deviations", std::to_string(guarded) + " " +
                                   std::to_string(collapsed) + " " +
                                   std::to_string(held));
  EXPECT_GT(guarded, 0.9 * kLeastDeviation);
  EXPECT_GT(held, 0.7 * kLeastDeviation);
  EXPECT_LT(collapsed, 0.3 * kLeastDeviation);
}

// One run with the term: the loss that is told is the ordinary one, and the predictor
// is in the checkpoint and not in the result.
TEST(BlockPredictionTraining, OnlyCheckpointsHaveItsWeights) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.spec.steps = 6;
  RecordingObserver without;
  ASSERT_EQ(RunTraining(run, &without), absl::OkStatus());
  run.job_dir += "2";
  run.spec.block_weight = 0.5;
  RecordingObserver with;
  ASSERT_EQ(RunTraining(run, &with), absl::OkStatus());
  EXPECT_EQ(with.progress[0].loss, without.progress[0].loss);
  EXPECT_NE(with.progress[5].loss, without.progress[5].loss);

  const auto optimizer = SafetensorsFile::Open(
      run.job_dir + "/checkpoints/step-4/optimizer.safetensors");
  ASSERT_TRUE(optimizer.ok()) << optimizer.status();
  EXPECT_EQ((*optimizer)->tensors().count("predictor.0.weight"), 1u);
  EXPECT_EQ((*optimizer)->tensors().count("exp_avg.predictor.0.weight"), 1u);
  HierarchicalTransformer model(TinyConfig());
  EXPECT_EQ(LoadModelWeights(run.job_dir + "/result/model.safetensors", &model),
            absl::OkStatus());
}

TEST(BlockPredictionTraining, OneLevelIsRefused) {
  TempDir dir;
  ModelConfig flat = TinyConfig();
  flat.levels.erase(flat.levels.begin());
  TrainRun run =
      testing::WithConfig(TinyRun(dir.path(), SampleText(8000)), flat);
  run.spec.block_weight = 0.5;
  RecordingObserver observer;
  EXPECT_THAT(std::string(RunTraining(run, &observer).message()),
              ::testing::HasSubstr("spec.block_weight: is 0.5; must be 0"));
}

}  // namespace
}  // namespace strata
