// Training with n-gram heads: what they learn, and what they leave as it was.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::SampleText;
using testing::TempDir;
using testing::TinyConfig;
using testing::TinyRun;
using testing::WithConfig;

ModelConfig TinyWithHeads(int heads) {
  ModelConfig config = TinyConfig();
  config.ngram_heads = heads;
  return config;
}

TEST(NgramTraining, EveryHeadLearnsAndIsToldApartFromTheLoss) {
  TempDir dir;
  std::string text;
  while (text.size() < 20000) text += "a hierarchy of blocks, ";
  TrainRun run = WithConfig(TinyRun(dir.path(), text), TinyWithHeads(3));
  run.spec.steps = 100;
  run.spec.learning_rate = 5e-3;
  run.spec.ngram_weight = 0.3;
  run.spec.dropout = 0;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  const TrainEval& eval = observer.evals.back();
  ASSERT_EQ(eval.ngram_losses.size(), 3u);
  // A unigram model pays 2.6 nats, as does a head that learns another item than
  // its own.
  for (const double loss : eval.ngram_losses) EXPECT_LT(loss, 0.8);
  EXPECT_LT(eval.loss, 0.5);
  EXPECT_NEAR(eval.bits_per_byte, eval.loss / std::log(2.0), 1e-9);
  // What is minimised is at least the loss and 0.3 * 3 times as much at first.
  EXPECT_NEAR(observer.progress.front().loss, std::log(260.0), 0.5);
}

// Clipping looks at all gradients and the heads have none: the steps are the same.
TEST(NgramTraining, AtWeightZeroTheRestTrainsAsWithoutHeads) {
  TempDir dir;
  const TrainRun tiny = TinyRun(dir.path(), SampleText(8000));
  TrainRun run = WithConfig(tiny, TinyConfig());
  run.spec.steps = 6;
  RecordingObserver without;
  ASSERT_EQ(RunTraining(run, &without), absl::OkStatus());
  const auto loss_with = [&](double weight) {
    TempDir other;
    TrainRun with = WithConfig(TinyRun(other.path(), SampleText(8000)),
                               TinyWithHeads(2));
    with.spec.steps = 6;
    with.spec.ngram_weight = weight;
    RecordingObserver observer;
    EXPECT_EQ(RunTraining(with, &observer), absl::OkStatus());
    return observer.progress.back().loss;
  };
  EXPECT_EQ(loss_with(0), without.progress.back().loss);
  EXPECT_NE(loss_with(0.2), without.progress.back().loss);
}

TEST(NgramTraining, AWeightWithoutHeadsIsRefused) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(8000));
  run.spec.ngram_weight = 0.2;
  RecordingObserver observer;
  EXPECT_THAT(std::string(RunTraining(run, &observer).message()),
              ::testing::HasSubstr("spec.ngram_weight: is 0.2; must be 0"));
}

}  // namespace
}  // namespace strata
