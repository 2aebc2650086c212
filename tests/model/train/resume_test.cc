// kill -9 at any moment, and the resumed run ends in the same weights.

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "model/base/random.h"
#include "tests/model/train/kill_runs.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::ResultHash;
using testing::SampleText;
using testing::TempDir;
using testing::TinyConfig;
using testing::TinyRun;
using testing::WithConfig;

TEST(Resume, ThreeRandomKillsEndInTheSameWeights) {
  testing::ExpectKillsChangeNothing(3, 101);
}

TEST(Resume, KillsAroundRollBacksEndInTheSameWeights) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.spec.model = "poisoned";
  testing::ExpectKillsChangeNothing(run, 6, 202);
}

// Heads of the model, and weights that only checkpoints have.
TEST(Resume, KillsOfARunWithHelpingLossesEndInTheSameWeights) {
  TempDir dir;
  ModelConfig config = TinyConfig();
  config.ngram_heads = 2;
  TrainRun run = WithConfig(TinyRun(dir.path(), SampleText(20000)), config);
  run.spec.ngram_weight = 0.2;
  run.spec.block_weight = 0.3;
  testing::ExpectKillsChangeNothing(run, 3, 303);
}

TEST(Resume, KillsOfARunInBf16EndInTheSameWeights) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.spec.bf16 = true;
  testing::ExpectKillsChangeNothing(run, 2, 404);
}

TEST(Resume, EqualRunsAreEqualAndSeedsDiffer) {
  std::string hashes[3];
  for (int i = 0; i < 3; ++i) {
    TempDir dir;
    TrainRun run = TinyRun(dir.path(), SampleText(8000));
    run.spec.steps = 5;
    run.spec.seed = i == 2 ? 9 : 1;
    RecordingObserver observer;
    ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
    hashes[i] = ResultHash(run);
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_NE(hashes[0], hashes[2]);  // data order and dropout
}

TEST(Resume, EvaluationAndCheckpointsDoNotTouchTheResult) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(8000));
  run.spec.steps = 8;
  RecordingObserver often;
  run.spec.eval_every_steps = 1;
  run.spec.checkpoint_every_steps = 1;
  ASSERT_EQ(RunTraining(run, &often), absl::OkStatus());
  const std::string hash = ResultHash(run);
  run.job_dir += "2";
  run.spec.eval_every_steps = 100;
  run.spec.checkpoint_every_steps = 100;
  RecordingObserver rarely;
  ASSERT_EQ(RunTraining(run, &rarely), absl::OkStatus());
  EXPECT_EQ(ResultHash(run), hash);
}

TEST(Resume, SaysSoWhereItCannotBeExact) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(8000));
  RecordingObserver first;
  first.poll = [&] {
    return first.polls > 12 ? TrainObserver::Signal::kCheckpointAndStop
                            : TrainObserver::Signal::kContinue;
  };
  EXPECT_TRUE(absl::IsAborted(RunTraining(run, &first)));
  ASSERT_FALSE(first.checkpoints.empty());
  // As if another machine had written the checkpoint.
  testing::RewriteEnvironment(run, first.checkpoints.back());
  RecordingObserver second;
  EXPECT_EQ(RunTraining(run, &second), absl::OkStatus());
  EXPECT_EQ(second.Warnings("NOT_BIT_EXACT"), 1);
  EXPECT_EQ(second.started.back(), first.checkpoints.back());
}

}  // namespace
}  // namespace strata
