// The document classifier in the same trainer: learning, evaluation, resume.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/base/random.h"
#include "model/document_config.h"
#include "model/version_dir.h"
#include "tests/model/train/kill_runs.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::ResultHash;
using testing::SampleText;
using testing::TempDir;
using testing::TinyRun;
using ::testing::HasSubstr;

// Texts of three sentences or so; one word of one of them tells the label.
std::string LabelledTexts(int count) {
  const char* const words[] = {"splendid", "dreadful", "ordinary"};
  std::string lines;
  for (int i = 0; i < count; ++i) {
    const uint64_t bits = RandomBits(4, 5, i);
    const std::string filler = SampleText(400).substr(bits % 200, 60);
    std::string line =
        absl::StrCat(filler, ". It was ", words[i % 3], " to see. ",
                     SampleText(400).substr(bits / 200 % 200, 40));
    for (char& c : line) c = c == '\n' ? ' ' : c;
    absl::StrAppend(&lines, "{\"text\": \"", line, "\", \"label\": \"",
                    words[i % 3], "\"}\n");
  }
  return lines;
}

TrainRun DocumentRun(const std::string& dir, const std::string& data) {
  TrainRun run = TinyRun(dir, data);
  run.base_dir = "";
  run.spec.base = "document";
  run.spec.eval_max_items = 1000;
  return run;
}

// The preset with smaller tables, which checkpoints hold thrice.
DocumentConfig SmallTables() {
  DocumentConfig config = *DocumentPreset("document");
  config.ngram_buckets = config.word_buckets = 1024;
  return config;
}

void UseConfig(const DocumentConfig& config, TrainRun* run) {
  run->spec.base = "";
  run->spec.config = DocumentConfigToJson(config);
}

TEST(DocumentTraining, LearnsAndReportsAccuracyAndF1) {
  TempDir dir;
  TrainRun run = DocumentRun(dir.path(), LabelledTexts(150));
  run.spec.steps = 60;
  run.spec.batch = 8;
  run.spec.micro_batch = 8;
  run.spec.eval_every_steps = 20;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  ASSERT_EQ(observer.evals.size(), 3u);
  const TrainEval& last = observer.evals.back();
  EXPECT_GT(last.items, 5);
  EXPECT_EQ(last.bits_per_byte, 0);
  EXPECT_GT(last.accuracy.value(), 0.9);
  EXPECT_GT(last.macro_f1.value(), 0.9);
  EXPECT_LT(last.loss, observer.evals.front().loss);
  EXPECT_EQ(observer.progress.back().bits_per_byte, 0);
  EXPECT_GT(observer.progress.back().items_total, 60 * 8 * 100);
  const auto config =
      ParseDocumentConfig(*ReadFile(run.job_dir + "/result/config.json"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->labels,
              ::testing::ElementsAre("dreadful", "ordinary", "splendid"));
  const auto manifest = ReadManifest(run.job_dir + "/result", true);
  EXPECT_EQ(manifest->attributes.count("eval_macro_f1"), 1u);
  EXPECT_EQ(manifest->attributes.count("eval_bits_per_byte"), 0u);
}

TEST(DocumentTraining, TwoRandomKillsEndInTheSameWeights) {
  TempDir dir;
  TrainRun run = DocumentRun(dir.path(), LabelledTexts(40));
  UseConfig(SmallTables(), &run);
  testing::ExpectKillsChangeNothing(run, 2, 77);
}

// Of a config of the caller's own.
TEST(DocumentTraining, KillsOfARunInBucketsEndInTheSameWeights) {
  TempDir dir;
  TrainRun run = DocumentRun(dir.path(), LabelledTexts(40));
  DocumentConfig config = SmallTables();
  config.sentence.attention = {TrainedAttention::kLsh, 8, 2};
  config.document.attention = {TrainedAttention::kRouting, 2, 0};
  UseConfig(config, &run);
  testing::ExpectKillsChangeNothing(run, 2, 78);
}

TEST(DocumentTraining, LearnsInEveryScopeThatCannotGenerate) {
  const DocumentScopeSpec scopes[] = {
      {.scope = DocumentScope::kLinformer, .projected = 16},
      {.scope = DocumentScope::kEtc, .window = 8, .global_items = 2},
      {.scope = DocumentScope::kBigBird,
       .window = 8,
       .global_items = 1,
       .random_blocks = 2}};
  for (const DocumentScopeSpec& scope : scopes) {
    SCOPED_TRACE(DocumentScopeName(scope.scope));
    TempDir dir;
    TrainRun run = DocumentRun(dir.path(), LabelledTexts(150));
    DocumentConfig config = SmallTables();
    config.word_buckets = 0;  // what tells the label comes through the scopes alone
    config.sentence.scope = config.document.scope = scope;
    UseConfig(config, &run);
    run.spec.steps = run.spec.eval_every_steps = 100;
    run.spec.batch = run.spec.micro_batch = 8;
    RecordingObserver observer;
    ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
    EXPECT_GT(observer.evals.back().accuracy.value(), 0.9);
  }
}

TEST(DocumentTraining, MicroBatchesDoNotChangeTheLoss) {
  double loss[2];
  for (int i = 0; i < 2; ++i) {
    TempDir dir;
    TrainRun run = DocumentRun(dir.path(), LabelledTexts(40));
    run.spec.steps = 3;
    run.spec.dropout = 0;
    run.spec.micro_batch = i == 0 ? 4 : 1;
    RecordingObserver observer;
    ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
    loss[i] = observer.progress.back().loss;
  }
  EXPECT_NEAR(loss[0], loss[1], 1e-5);
}

TEST(DocumentTraining, GoesOnFromAModelWithItsLabelsAlone) {
  TempDir dir;
  TrainRun run = DocumentRun(dir.path(), LabelledTexts(60));
  run.spec.steps = 2;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  TrainRun next = run;
  next.base_dir = run.job_dir + "/result";
  next.spec.base = "first@1";
  next.job_dir = dir.path() + "/next";
  std::filesystem::create_directories(next.job_dir);
  ASSERT_EQ(RunTraining(next, &observer), absl::OkStatus());
  EXPECT_NE(ResultHash(next), ResultHash(run));
  TrainRun strange = DocumentRun(
      dir.path() + "/strange",
      "{\"text\": \"x\", \"label\": \"new\"}\n"
      "{\"text\": \"y\", \"label\": \"ordinary\"}\n");
  strange.base_dir = next.base_dir;
  strange.spec.base = next.spec.base;
  const absl::Status refused = RunTraining(strange, &observer);
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("\"new\""));
}

TEST(DocumentTraining, LongTextsAreCutWithAWarning) {
  TempDir dir;
  std::string data = LabelledTexts(10);
  absl::StrAppend(&data, "{\"text\": \"", std::string(70000, 'x'),
                  "\", \"label\": \"ordinary\"}\n");
  TrainRun run = DocumentRun(dir.path(), data);
  run.spec.steps = 1;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.Warnings("TEXTS_CUT"), 1);
  EXPECT_EQ(observer.Warnings("DATA_SMALL"), 0);
}

TEST(DocumentTraining, FewerTextsThanAStepTakesAreWarnedOf) {
  TempDir dir;
  TrainRun run = DocumentRun(dir.path(), LabelledTexts(10));
  run.spec.steps = 1;
  run.spec.batch = 12;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.Warnings("DATA_SMALL"), 1);
}

TEST(DocumentTraining, DataAndBaseMustFit) {
  TempDir dir;
  RecordingObserver observer;
  TrainRun generates = TinyRun(dir.path(), LabelledTexts(10));
  generates.base_dir = "";
  generates.spec.base = "flat";
  EXPECT_TRUE(absl::IsInvalidArgument(RunTraining(generates, &observer)));
  TrainRun text = DocumentRun(dir.path() + "/text", SampleText(1000));
  EXPECT_TRUE(absl::IsInvalidArgument(RunTraining(text, &observer)));
}

}  // namespace
}  // namespace strata
