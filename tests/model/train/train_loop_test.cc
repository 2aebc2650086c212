// The loop as a whole, in this process: result folder, events, gradient
// accumulation, non-finite steps, signals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/hierarchy/item_loss.h"
#include "model/hierarchy/weights.h"
#include "model/train/batch_tensors.h"
#include "model/train/batcher.h"
#include "model/train/model_source.h"
#include "model/train/train_hooks.h"
#include "model/version_dir.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::ResultHash;
using testing::SampleText;
using testing::TempDir;
using testing::TinyRun;
using Signal = TrainObserver::Signal;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(RunTraining, WritesAVersionThatLoadsAndReportsEveryStep) {
  TempDir dir;
  const TrainRun run = TinyRun(dir.path(), SampleText(20000));
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());

  const std::string result = run.job_dir + "/result";
  const auto manifest = ReadManifest(result, /*verify=*/true);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->attributes.at("base"), "tiny@1");
  EXPECT_EQ(manifest->attributes.at("steps"), "24");
  EXPECT_TRUE(manifest->attributes.count("created"));
  EXPECT_TRUE(manifest->attributes.count("eval_bits_per_byte"));
  const auto config = ParseModelConfig(*ReadFile(result + "/config.json"));
  ASSERT_TRUE(config.ok());
  HierarchicalTransformer model(*config);
  EXPECT_EQ(LoadModelWeights(result + "/model.safetensors", &model),
            absl::OkStatus());

  ASSERT_EQ(observer.started, std::vector<int64_t>{0});
  ASSERT_EQ(observer.progress.size(), 24u);
  EXPECT_EQ(observer.progress.back().step, 24);
  EXPECT_LT(observer.progress.back().loss, observer.progress.front().loss);
  EXPECT_GT(observer.progress.back().items_per_second, 0);
  EXPECT_EQ(observer.progress.back().eta_seconds, 0);
  EXPECT_THAT(observer.checkpoints,
              ::testing::ElementsAre(4, 8, 12, 16, 20));
  ASSERT_EQ(observer.evals.size(), 3u);  // 10, 20 and the last step
  EXPECT_EQ(observer.evals.back().step, 24);
  EXPECT_NEAR(observer.evals.back().bits_per_byte,
              observer.evals.back().loss / std::log(2.0), 1e-9);
  EXPECT_TRUE(observer.warnings.empty());
  EXPECT_GE(observer.polls, 48);  // two micro-batches a step
  // Only the last two checkpoints stay, and nothing temporary.
  int folders = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(run.job_dir + "/checkpoints")) {
    EXPECT_THAT(entry.path().filename().string(),
                ::testing::AnyOf("step-16", "step-20"));
    ++folders;
  }
  EXPECT_EQ(folders, 2);
}

TEST(RunTraining, AFinishedJobIsNotTrainedAgain) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(5000));
  run.spec.steps = 2;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  const std::string hash = ResultHash(run);
  RecordingObserver again;
  EXPECT_EQ(RunTraining(run, &again), absl::OkStatus());
  EXPECT_TRUE(again.progress.empty());
  EXPECT_EQ(ResultHash(run), hash);
}

// Gradients of one batch, computed in micro-batches of `rows`.
std::vector<at::Tensor> Gradients(HierarchicalTransformer& model,
                                  const Batch& batch, int64_t rows) {
  model->zero_grad();
  for (int64_t row = 0; row < batch.rows; row += rows) {
    const BatchTensors t = RowsAsTensors(batch, row, row + rows);
    (MaskedLossSum(model, t.items, t.trained, t.segments) /
     static_cast<double>(batch.trained_items))
        .backward();
  }
  std::vector<at::Tensor> gradients;
  for (const auto& p : model->parameters()) {
    gradients.push_back(p.grad().clone());
  }
  return gradients;
}

TEST(GradientAccumulation, AnySplitGivesTheGradientOfTheWhole) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), "x");
  run.spec.dropout = 0;
  auto described = DescribeModel(run, TemplateKind::kText);
  ASSERT_TRUE(described.ok()) << described.status();
  // Rows of very different numbers of trained items.
  std::vector<Document> documents;
  for (int i = 0; i < 12; ++i) {
    documents.push_back(
        CompletionDocument(SampleText(50 - 4 * i), SampleText(1 + 4 * i)));
  }
  Batcher batcher(documents, {.sequence = 64, .block_bytes = 8});
  DataCursor cursor;
  const Batch batch = batcher.Next(8, {}, &cursor);
  const auto whole = Gradients(described->model, batch, 8);
  for (const int64_t rows : {1, 2, 4}) {
    const auto split = Gradients(described->model, batch, rows);
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_LT((whole[i] - split[i]).abs().max().item<float>(), 1e-6);
    }
  }
}

TEST(RunTraining, MicroBatchesOnlyChangeRounding) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.spec.dropout = 0;
  run.spec.steps = 6;
  run.spec.micro_batch = 4;
  RecordingObserver whole;
  ASSERT_EQ(RunTraining(run, &whole), absl::OkStatus());
  run.job_dir += "2";
  run.spec.micro_batch = 1;
  RecordingObserver split;
  ASSERT_EQ(RunTraining(run, &split), absl::OkStatus());
  for (size_t i = 0; i < whole.progress.size(); ++i) {
    EXPECT_NEAR(whole.progress[i].loss, split.progress[i].loss, 1e-4);
  }
}

// A checkpoint of the larger one is taken up: the spec is the same.
TEST(RunTraining, AForcedMicroBatchOnlyChangesRounding) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.spec.dropout = 0;
  run.spec.micro_batch = 4;
  RecordingObserver whole;
  ASSERT_EQ(RunTraining(run, &whole), absl::OkStatus());
  run.job_dir += "2";
  RecordingObserver first;
  first.poll = [&] {
    return first.progress.size() >= 6 ? Signal::kCheckpointAndStop
                                      : Signal::kContinue;
  };
  ASSERT_TRUE(absl::IsAborted(RunTraining(run, &first)));
  run.micro_batch = 3;  // does not divide the batch
  RecordingObserver rest;
  ASSERT_EQ(RunTraining(run, &rest), absl::OkStatus());
  EXPECT_EQ(rest.started.back(), 6);
  ASSERT_EQ(rest.progress.size(), 18u);
  EXPECT_GT(rest.polls, 2 * 18);  // two passes a step
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(rest.progress[i].loss, whole.progress[6 + i].loss, 1e-4);
  }
}

// Steps [begin, end) are not finite until training has gone back once: as with
// real data, what is bad is the same in every attempt.
TrainHooks BadSteps(int64_t begin, int64_t end) {
  TrainHooks hooks;
  hooks.after_backward = [=](const TrainState& state, double* loss) {
    if (state.non_finite.rollbacks == 0 && state.step >= begin &&
        state.step < end) {
      *loss = kNan;
    }
  };
  return hooks;
}

TEST(NonFinite, ASkippedStepLeavesTheWeightsAndIsCounted) {
  TempDir dir;
  const TrainRun run = TinyRun(dir.path(), SampleText(20000));
  TrainHooks hooks;
  hooks.after_backward = [](const TrainState& state, double* loss) {
    if (state.step == 7 || state.step == 8) *loss = kNan;
  };
  RecordingObserver observer;
  ASSERT_EQ(RunTrainingWithHooks(run, &observer, hooks), absl::OkStatus());
  EXPECT_EQ(observer.Warnings("NON_FINITE"), 2);
  EXPECT_EQ(observer.Warnings("ROLLED_BACK"), 0);
  EXPECT_EQ(observer.progress.back().skipped_steps, 2);
  // Step 8 was bad, so no checkpoint of it.
  EXPECT_THAT(observer.checkpoints, ::testing::ElementsAre(4, 12, 16, 20));
}

TEST(NonFinite, ThreeInARowRollBackAndSkipTheirRows) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.spec.warmup_steps = 0;
  RecordingObserver observer;
  ASSERT_EQ(RunTrainingWithHooks(run, &observer, BadSteps(9, 12)),
            absl::OkStatus());
  EXPECT_EQ(observer.Warnings("ROLLED_BACK"), 1);
  EXPECT_EQ(observer.progress.back().skipped_steps, 3);
  EXPECT_EQ(observer.progress.back().step, 24);
  // 12 steps, back to 8, then 16 more.
  ASSERT_EQ(observer.progress.size(), 12u + 16u);
  EXPECT_EQ(observer.progress[11].step, 12);
  EXPECT_EQ(observer.progress[12].step, 9);
  EXPECT_LT(observer.progress[12].learning_rate,
            0.5 * observer.progress[8].learning_rate);
  // Step 9 repeats the rows of before; those of 10 to 12 are other rows now.
  EXPECT_NEAR(observer.progress[12].items_total,
              observer.progress[8].items_total, 0);
}

// Stopped before, between and behind the bad steps 7 to 9, on the grid of
// checkpoints (4, 8, …) and off it. The points to go back to are those of the run
// that nobody stopped; step 8 is none, because it is bad.
TEST(NonFinite, ARollBackDoesNotDependOnOtherCheckpoints) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.spec.keep_checkpoints = 1;
  RecordingObserver whole;
  ASSERT_EQ(RunTrainingWithHooks(run, &whole, BadSteps(7, 10)),
            absl::OkStatus());
  EXPECT_EQ(whole.Warnings("ROLLED_BACK"), 1);
  const std::string expected = ResultHash(run);
  for (const std::vector<int64_t>& stops :
       {std::vector<int64_t>{6}, {8}, {9}, {5, 6, 7, 8, 9}, {6, 8, 11, 14}}) {
    run.job_dir += "2";
    size_t next = 0;
    absl::Status status = absl::AbortedError("");
    while (absl::IsAborted(status)) {
      RecordingObserver observer;
      observer.poll = [&] {
        const bool stop = next < stops.size() && !observer.progress.empty() &&
                          observer.progress.back().step == stops[next];
        return stop ? Signal::kCheckpointAndStop : Signal::kContinue;
      };
      status = RunTrainingWithHooks(run, &observer, BadSteps(7, 10));
      ++next;
    }
    EXPECT_EQ(status, absl::OkStatus());
    EXPECT_EQ(next, stops.size() + 1);
    EXPECT_EQ(ResultHash(run), expected) << stops.size() << " " << stops[0];
  }
}

TEST(NonFinite, GivesUpAfterThreeRollBacks) {
  TempDir dir;
  const TrainRun run = TinyRun(dir.path(), SampleText(20000));
  TrainHooks hooks;
  hooks.after_backward = [](const TrainState& state, double* loss) {
    if (state.step >= 9) *loss = std::numeric_limits<double>::infinity();
  };
  RecordingObserver observer;
  const absl::Status status = RunTrainingWithHooks(run, &observer, hooks);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              ::testing::StartsWith("NON_FINITE"));
  EXPECT_EQ(observer.Warnings("ROLLED_BACK"), 3);
  EXPECT_EQ(ResultHash(run), "");
}

TEST(Signals, CancelEndsWithinAMicroBatchAnywhere) {
  for (const int64_t at : {1, 2, 3, 4, 9, 41}) {
    TempDir dir;
    const TrainRun run = TinyRun(dir.path(), SampleText(20000));
    RecordingObserver observer;
    observer.poll = [&] {
      return observer.polls >= at ? Signal::kCancel : Signal::kContinue;
    };
    EXPECT_EQ(RunTraining(run, &observer).code(),
              absl::StatusCode::kCancelled);
    EXPECT_EQ(observer.polls, at);
    EXPECT_EQ(ResultHash(run), "");
  }
}

TEST(Signals, StopSavesWhereItStandsAndTheRestIsTheSame) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  RecordingObserver whole;
  ASSERT_EQ(RunTraining(run, &whole), absl::OkStatus());
  const std::string expected = ResultHash(run);
  run.job_dir += "2";
  // Stopped again and again: in the middle of steps, in evaluations.
  int attempts = 0;
  absl::Status status = absl::AbortedError("");
  while (absl::IsAborted(status) && ++attempts < 30) {
    RecordingObserver observer;
    observer.poll = [&] {
      return observer.polls >= 13 ? Signal::kCheckpointAndStop
                                  : Signal::kContinue;
    };
    status = RunTraining(run, &observer);
    if (absl::IsAborted(status) && !observer.progress.empty()) {
      EXPECT_EQ(observer.checkpoints.back(), observer.progress.back().step);
    }
  }
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_GT(attempts, 4);
  EXPECT_EQ(ResultHash(run), expected);
}

TEST(RunTraining, RefusesWhatDoesNotFit) {
  TempDir dir;
  const TrainRun good = TinyRun(dir.path(), SampleText(5000));
  RecordingObserver observer;
  TrainRun run = good;
  run.spec.sequence = 60;  // not a multiple of 8
  EXPECT_EQ(RunTraining(run, &observer).code(),
            absl::StatusCode::kInvalidArgument);
  run = good;
  run.spec.micro_batch = 0;
  EXPECT_EQ(RunTraining(run, &observer).code(),
            absl::StatusCode::kInvalidArgument);
  run = good;
  run.spec.dataset_sha256 = std::string(64, '0');
  EXPECT_EQ(RunTraining(run, &observer).code(),
            absl::StatusCode::kInvalidArgument);
  run = good;
  run.base_dir += "-absent";
  EXPECT_EQ(RunTraining(run, &observer).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(observer.progress.empty());
}

TEST(RunTraining, WarnsOfDocumentsThatItCutsAndOfTooFew) {
  TempDir dir;
  std::string data;
  for (int i = 0; i < 4; ++i) {
    data += "{\"prompt\": \"p\", \"completion\": \"" +
            std::string(20 + 40 * (i % 2), 'a') + "\"}\n";
  }
  TrainRun run = TinyRun(dir.path(), data);  // 4 rows of 64 items
  run.spec.steps = 2;
  run.spec.eval_fraction = 0;
  RecordingObserver fits;
  ASSERT_EQ(RunTraining(run, &fits), absl::OkStatus());
  EXPECT_EQ(fits.Warnings("DOCUMENTS_CUT"), 0);
  EXPECT_EQ(fits.Warnings("DATA_SMALL"), 1);  // 172 items
  run.job_dir += "-cut";
  std::filesystem::create_directories(run.job_dir);
  run.spec.sequence = 32;
  RecordingObserver cut;
  ASSERT_EQ(RunTraining(run, &cut), absl::OkStatus());
  EXPECT_EQ(cut.Warnings("DOCUMENTS_CUT"), 1);
  EXPECT_EQ(cut.Warnings("DATA_SMALL"), 0);
}

TEST(TrainedTemplate, AnswersStayAnswers) {
  const auto text = TemplateKind::kText;
  const auto completion = TemplateKind::kCompletion;
  const auto chat = TemplateKind::kChat;
  EXPECT_EQ(*TrainedTemplate(text, chat), chat);
  EXPECT_EQ(*TrainedTemplate(text, completion), completion);
  EXPECT_EQ(*TrainedTemplate(completion, chat), chat);
  EXPECT_EQ(*TrainedTemplate(chat, completion), chat);
  EXPECT_FALSE(TrainedTemplate(chat, text).ok());
}

}  // namespace
}  // namespace strata
