// Training a model that items may leave early: what its layers and judges learn, and at
// which threshold the finished one lets them go.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "model/hierarchy/weights.h"
#include "model/stack_depth.h"
#include "model/train/exit_loss.h"
#include "model/train/exit_threshold.h"
#include "model/train/language_loss.h"
#include "tests/model/stack_config.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::SampleText;
using testing::TempDir;
using testing::TinyRun;
using testing::WithConfig;

ModelConfig Leaving() { return testing::StackConfig("exits"); }

HierarchicalTransformer Model(const ModelConfig& config) {
  at::set_num_threads(1);
  HierarchicalTransformer model(config);
  model->to(torch::kDouble);
  model->eval();
  return model;
}

// Each a row, and one more.
std::vector<Document> Texts(int count) {
  std::vector<Document> texts(count);
  for (int i = 0; i < count; ++i) texts[i].Append(SampleText(60 + i), true);
  return texts;
}

EvalOptions Rows() {
  EvalOptions options;
  options.batcher.sequence = 72;
  options.batcher.block_bytes = 12;
  return options;
}

ExitThreshold Found(HierarchicalTransformer& model, const std::vector<Document>& texts) {
  return FindExitThreshold(model, texts, Rows(), [] { return absl::OkStatus(); }).value();
}

// Layers above the first that leave a state as it is.
void MakeIdle(HierarchicalTransformer model) {
  torch::NoGradGuard no_grad;
  for (const auto& entry : model->named_parameters()) {
    if (!absl::StartsWith(entry.key(), "level.0.dec.")) continue;
    if (absl::StartsWith(entry.key(), "level.0.dec.0.")) continue;
    if (absl::EndsWith(entry.key(), "attn.out.weight") ||
        absl::EndsWith(entry.key(), "ff.down.weight")) {
      entry.value().zero_();
    }
  }
}

void SetJudges(HierarchicalTransformer model, double bias) {
  torch::NoGradGuard no_grad;
  const auto parameters = model->named_parameters();
  parameters["level.0.dec.exit.weight"].zero_();
  parameters["level.0.dec.exit.bias"].fill_(bias);
}

TEST(ExitLossTest, EveryLayerIsPaidForByItsDepthAndJudgesChangeNoState) {
  auto model = Model(Leaving());
  BatchTensors rows;
  rows.items = (torch::arange(120) * 7919 % 251).view({2, 60});
  rows.segments = torch::zeros_like(rows.items);
  rows.trained = torch::ones_like(rows.items).to(torch::kUInt8);
  const TaskLoss loss = LanguageLossSums(model, rows, {});
  const ShutExits all_pass(model);
  std::vector<LevelActivations> levels;
  model->Contexts(rows.items.slice(1, 0, -1), rows.segments, &levels);
  const auto& states = levels[0].dec_depth.states;
  ASSERT_EQ(states.size(), 4u);
  double layers = 0;
  for (int i = 0; i < 4; ++i) {
    const auto log_p = model->Head(model->level(0).Norm(states[i])).log_softmax(-1);
    layers -= (i + 1) / 10.0 *
              log_p.gather(2, rows.items.unsqueeze(2)).sum().item<double>();
  }
  const ExitLoss parts = ExitLossSums(model, states, rows);
  EXPECT_NEAR(parts.layers.item<double>(), layers, 1e-8);
  EXPECT_NEAR(loss.minimised.item<double>(),
              (parts.layers + parts.judges).item<double>(), 1e-8);
  parts.judges.backward();
  for (const auto& entry : model->named_parameters()) {
    const bool judge = absl::StrContains(entry.key(), ".exit.");
    if (judge || !entry.value().grad().defined()) continue;
    EXPECT_EQ(entry.value().grad().abs().max().item<double>(), 0) << entry.key();
  }
}

TEST(ExitThresholdTest, WhatCostsNothingIsLeftOut) {
  auto model = Model(Leaving());
  MakeIdle(model);
  SetJudges(model, 20);
  const ExitThreshold found = Found(model, Texts(12));
  EXPECT_EQ(found.threshold, 0.5);
  EXPECT_NEAR(found.cost, 0, 1e-12);
  EXPECT_EQ(found.layers, 1);
  EXPECT_EQ(model->named_parameters()["level.0.dec.exit.threshold"].item<double>(), 0.5);
}

// A model that has learnt by its last layer alone, whose judges are sure all the same.
TEST(ExitThresholdTest, WhatCostsMoreThanItMayIsNot) {
  auto model = Model(Leaving());
  BatchTensors rows;
  Document text;
  text.Append(SampleText(288), true);
  rows.items = torch::empty({4, 72}, torch::kLong);
  for (int64_t i = 0; i < 288; ++i) rows.items[i / 72][i % 72] = text.item(i);
  rows.segments = torch::zeros_like(rows.items);
  rows.trained = torch::ones_like(rows.items).to(torch::kUInt8);
  torch::optim::Adam adam(model->parameters(), 1e-2);
  for (int step = 0; step < 40; ++step) {
    adam.zero_grad();
    (LanguageLossSums(model, rows, {}).reported / 288).backward();
    adam.step();
  }
  SetJudges(model, 20);
  const ExitThreshold found = Found(model, Texts(12));
  EXPECT_EQ(found.threshold, kNoExit);
  EXPECT_EQ(found.layers, 4);
}

TEST(ExitThresholdTest, OfTooFewRowsNothingIsConcluded) {
  auto model = Model(Leaving());
  MakeIdle(model);
  SetJudges(model, 20);
  EXPECT_EQ(Found(model, Texts(kLeastExitRows - 1)).threshold, kNoExit);
}

// From the first step to the file that is served.
TEST(ExitTraining, TheResultHoldsAThresholdThatTheTextAllows) {
  TempDir dir;
  std::string text;
  while (text.size() < 40000) text += "a hierarchy of blocks, ";
  ModelConfig config = Leaving();
  config.levels[0].exit_tolerance = 0.5;
  TrainRun run = WithConfig(TinyRun(dir.path(), text), config);
  run.spec.steps = 60;
  run.spec.learning_rate = 5e-3;
  run.spec.dropout = 0;
  run.spec.sequence = 96;
  run.spec.eval_max_items = 4096;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.Warnings("NO_EARLY_EXIT"), 0);
  HierarchicalTransformer model(config);
  ASSERT_EQ(LoadModelWeights(run.job_dir + "/result/model.safetensors", &model),
            absl::OkStatus());
  EXPECT_LT(model->named_parameters()["level.0.dec.exit.threshold"].item<double>(), kNoExit);
}

}  // namespace
}  // namespace strata
