// A model on a tokeniser's pieces is trained, evaluated, resumed and trained further
// as one on bytes is; its figures are those of bytes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "model/chat_template.h"
#include "model/presets.h"
#include "model/tokenizer.h"
#include "model/train/evaluate.h"
#include "model/train/leak_probe.h"
#include "model/train/model_source.h"
#include "model/version_dir.h"
#include "tests/model/piece_config.h"
#include "tests/model/small_presets.h"
#include "tests/model/train/kill_runs.h"
#include "tests/model/train/train_fixture.h"
#include "tests/testing/toy_tokenizer.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::SampleText;
using testing::TempDir;
using testing::TinyConfig;
using testing::TinyRun;
using testing::WithConfig;

TrainRun PieceRun(const std::string& dir, const char* kind = "bpe") {
  TrainRun run = WithConfig(TinyRun(dir, SampleText(20000)), TinyConfig());
  run.spec.tokenizer = kind;
  run.spec.pieces = 256;
  return run;
}

absl::StatusOr<ModelConfig> ResultConfig(const TrainRun& run) {
  auto json = ReadFile(run.job_dir + "/result/config.json");
  if (!json.ok()) return json.status();
  return ParseModelConfig(*json);
}

TEST(TokenizerTraining, TheResultHasItsTokeniserAndGoesOnWithIt) {
  TempDir dir;
  TrainRun run = PieceRun(dir.path(), "unigram");
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  const auto config = ResultConfig(run);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_GT(config->vocab, kVocab);
  const auto tokenizer = TokenizerOfVersion(run.job_dir + "/result", *config);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->kind(), "unigram");
  EXPECT_TRUE(ReadManifest(run.job_dir + "/result", /*verify=*/true).ok());

  TrainRun further = TinyRun(dir.path(), SampleText(9000));
  further.base_dir = run.job_dir + "/result";
  further.job_dir = dir.path() + "/further";
  further.spec.steps = 3;
  RecordingObserver second;
  ASSERT_EQ(RunTraining(further, &second), absl::OkStatus());
  EXPECT_EQ(*ResultConfig(further), *config);
  EXPECT_EQ(*ReadFile(further.job_dir + "/result/tokenizer.model"),
            (*tokenizer)->file());
  // It begins where the first one ended, not at ln(vocab).
  EXPECT_LT(second.progress.front().loss, observer.progress.front().loss - 0.3);
}

TEST(TokenizerTraining, ThreeRandomKillsEndInTheSameWeights) {
  TempDir dir;
  testing::ExpectKillsChangeNothing(PieceRun(dir.path()), 3, 404);
}

TEST(TokenizerTraining, BitsAreOfBytes) {
  TempDir dir;
  RecordingObserver observer;
  TrainRun run = PieceRun(dir.path());
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  ASSERT_FALSE(observer.evals.empty());
  const TrainProgress& first = observer.progress.front();
  // New weights know nothing: ln(vocab) nats an item, of several bytes each.
  EXPECT_NEAR(first.loss, std::log(ResultConfig(run)->vocab), 0.5);
  EXPECT_LT(first.bits_per_byte, first.loss / std::log(2.0) / 2);
  const TrainEval& last = observer.evals.back();
  EXPECT_LT(last.bits_per_byte, last.loss / std::log(2.0) / 2);
}

// The loss of a text under a model is one number, and its bytes are another.
TEST(TokenizerTraining, AnEvaluationDividesByTheBytesOfTheText) {
  const auto tokenizer = std::make_shared<testing::ToyTokenizer>(
      std::vector<std::string>{"the ", "er", " and", "ri", "ver"});
  TempDir dir;
  const TrainRun run = WithConfig(TinyRun(dir.path(), "x"), TinyConfig());
  auto model = DescribeModel(run, TemplateKind::kText, tokenizer);
  ASSERT_TRUE(model.ok()) << model.status();
  const std::string text = SampleText(40);
  Document document;
  document.Append(kSos, false);
  const std::vector<Item> items = tokenizer->Encode(text);
  for (const Item item : items) document.Append(item, true);
  EvalOptions options;
  options.batcher.sequence = 64;
  options.batcher.block_bytes = 8;
  options.tokenizer = tokenizer.get();
  const auto eval = Evaluate(model->model, {&document, 1}, options,
                             [] { return absl::OkStatus(); });
  ASSERT_TRUE(eval.ok()) << eval.status();
  EXPECT_EQ(eval->items, static_cast<int64_t>(items.size()));
  EXPECT_NEAR(eval->bits_per_byte,
              eval->loss * static_cast<double>(items.size()) / 40 / std::log(2.0), 1e-9);
}

class EveryPreset : public ::testing::TestWithParam<const char*> {};

// Untrained as they are, with every class of piece.
TEST_P(EveryPreset, NoPieceSeesTheFuture) {
  HierarchicalTransformer model(testing::WithPieces(*PresetConfig(GetParam())));
  EXPECT_EQ(ProbeForLeaks(model), absl::OkStatus());
}

TEST_P(EveryPreset, IsTrainedOnPieces) {
  TempDir dir;
  TrainRun run = PieceRun(dir.path());
  run.spec.config = ModelConfigToJson(*PresetConfig(GetParam()));
  run.spec.steps = 2;
  run.spec.sequence = 256;
  run.spec.eval_fraction = 0;
  RecordingObserver observer;
  EXPECT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_GT(ResultConfig(run)->vocab, kVocab);
}

INSTANTIATE_TEST_SUITE_P(Presets, EveryPreset,
                         ::testing::ValuesIn(testing::kSmallPresets));

}  // namespace
}  // namespace strata
