// Training with a memory: evaluations are of one pass over each text, a step that is not
// applied leaves none of it, and kills change nothing.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "model/hierarchy/item_loss.h"
#include "model/train/batch_tensors.h"
#include "model/train/batcher.h"
#include "model/train/evaluate.h"
#include "model/train/language_task.h"
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

// Windows that look back over segments of 64.
ModelConfig MemoryConfig() {
  ModelConfig config = TinyConfig();
  config.levels[0].window = 30;
  config.levels[1].dec_scope = Scope::kWindow;
  config.levels[1].window = 20;
  config.reach = 150;
  for (LevelConfig& level : config.levels) level.memory = MemoryKind::kSegment;
  return config;
}

// The same windows in all, half of them as means.
ModelConfig MeansConfig() {
  ModelConfig config = MemoryConfig();
  for (LevelConfig& level : config.levels) {
    level.memory = MemoryKind::kCompressive;
    level.window /= 2;
    level.memory_rate = 3;
    level.memory_items = 5;
  }
  config.reach = 100;
  return config;
}

TrainRun MemoryRun(const std::string& dir, size_t bytes) {
  return WithConfig(TinyRun(dir, SampleText(bytes)), MemoryConfig());
}

TEST(MemoryTraining, KillsEndInTheSameWeights) {
  TempDir dir;
  testing::ExpectKillsChangeNothing(MemoryRun(dir.path(), 20000), 3, 505);
}

TEST(MemoryTraining, KillsOfARunWithMeansEndInTheSameWeights) {
  TempDir dir;
  testing::ExpectKillsChangeNothing(
      WithConfig(TinyRun(dir.path(), SampleText(20000)), MeansConfig()), 2, 707);
}

TEST(MemoryTraining, KillsAroundRollBacksEndInTheSameWeights) {
  TempDir dir;
  TrainRun run = MemoryRun(dir.path(), 20000);
  run.spec.model = "poisoned";
  run.spec.block_weight = 0.3;
  testing::ExpectKillsChangeNothing(run, 3, 606);
}

void ExpectOnePassInSegments(const ModelConfig& config) {
  HierarchicalTransformer model(config, ModelOptions{.seed = 3, .faults = {}});
  const std::vector<Document> documents = {TextDocument(SampleText(501), true),
                                           TextDocument(SampleText(90), true)};
  const auto nats = [&](int64_t sequence) {
    EvalOptions options;
    options.rows = 1;  // so that no document is cut
    options.batcher.sequence = sequence;
    options.batcher.block_bytes = 8;
    const auto eval = Evaluate(model, documents, options,
                               [] { return absl::OkStatus(); });
    EXPECT_TRUE(eval.ok()) << eval.status();
    EXPECT_EQ(eval->items, documents[0].TrainedItems() + documents[1].TrainedItems());
    return eval->loss;
  };
  Batcher whole(documents, {.sequence = 512, .block_bytes = 8, .shuffle = false});
  DataCursor cursor;
  const Batch batch = whole.Next(whole.Rows(0), {}, &cursor);
  const BatchTensors rows = RowsAsTensors(batch, 0, batch.rows);
  model->eval();
  torch::NoGradGuard no_grad;
  const double expected =
      MaskedLossSum(model, rows.items, rows.trained, rows.segments).item<double>() /
      static_cast<double>(batch.trained_items);
  for (const int64_t sequence : {64, 96}) {
    EXPECT_NEAR(nats(sequence), expected, 1e-5) << sequence;
  }
}

TEST(MemoryTraining, EvaluatesInSegmentsWhatOnePassGives) {
  ExpectOnePassInSegments(MemoryConfig());
  ExpectOnePassInSegments(MeansConfig());
}

class MemoryTask : public ::testing::Test {
 protected:
  MemoryTask() : run_(MemoryRun(dir_.path(), 4000)) {
    data_.is_text = true;
    data_.train = {TextDocument(SampleText(4000), true)};
    run_.spec.dropout = 0;
    model_ = *DescribeModel(run_, TemplateKind::kText);
    EXPECT_EQ(ResetWeights(run_, &model_), absl::OkStatus());
    model_.model->train();
    task_.emplace(run_, data_, &model_);
  }

  double Loss(int64_t at_once) {
    double sum = 0;
    for (int64_t row = 0; row < run_.spec.batch; row += at_once) {
      sum += task_->Loss(row, row + at_once).reported.item<double>();
    }
    return sum;
  }
  std::vector<at::Tensor> Carried() {
    std::vector<at::Tensor> tensors;
    for (const NamedParameter& p : task_->CarriedTensors()) {
      tensors.push_back(p.tensor.clone());
    }
    return tensors;
  }
  static bool Same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      if (!at::allclose(a[i], b[i], 1e-4, 1e-6)) return false;
    }
    return a.size() == b.size();
  }

  TempDir dir_;
  TrainRun run_;
  DataSplit data_;
  TrainedModel model_;
  std::optional<LanguageTask> task_;
  DataCursor cursor_;
};

TEST_F(MemoryTask, IsCarriedByStepsThatAreAppliedAlone) {
  const auto empty = Carried();
  ASSERT_FALSE(empty.empty());
  task_->Next(4, {}, &cursor_);
  Loss(2);
  EXPECT_TRUE(Same(Carried(), empty));  // the step is not over
  task_->EndStep(true);
  const auto first = Carried();
  EXPECT_FALSE(Same(first, empty));

  const DataCursor before = cursor_;
  task_->Next(4, {}, &cursor_);
  const double loss = Loss(2);
  cursor_ = before;  // broken off, and done again in other micro-batches
  task_->Next(4, {}, &cursor_);
  EXPECT_TRUE(Same(Carried(), first));
  EXPECT_NEAR(Loss(4), loss, 1e-5);
  task_->EndStep(false);
  EXPECT_TRUE(Same(Carried(), empty));

  cursor_ = before;
  task_->Next(4, {}, &cursor_);
  EXPECT_GT(std::abs(Loss(4) - loss), 1e-5);  // without what came before
}

TEST_F(MemoryTask, GoesOnFromTheTensorsOfACheckpoint) {
  task_->Next(4, {}, &cursor_);
  Loss(2);
  task_->EndStep(true);
  const auto saved = Carried();
  const DataCursor at = cursor_;
  task_->Next(4, {}, &cursor_);
  const double loss = Loss(2);

  task_.emplace(run_, data_, &model_);
  const auto fresh = task_->CarriedTensors();
  ASSERT_EQ(fresh.size(), saved.size());
  for (size_t i = 0; i < saved.size(); ++i) at::Tensor(fresh[i].tensor).copy_(saved[i]);
  cursor_ = at;
  task_->Next(4, {}, &cursor_);
  EXPECT_EQ(Loss(2), loss);
}

TEST(MemoryTraining, RefusesSegmentsThatEndWithinABlock) {
  TempDir dir;
  TrainRun run = MemoryRun(dir.path(), 4000);
  run.spec.sequence = 60;
  RecordingObserver observer;
  EXPECT_EQ(RunTraining(run, &observer).message(),
            "spec.sequence: is 60; must be a multiple of 8 and at most 4096 for "
            "the config");
}

TEST(MemoryTraining, SaysNothingOfDocumentsThatGoOnInTheNextRow) {
  TempDir dir;
  std::string data;
  for (int i = 0; i < 40; ++i) {
    data += R"({"prompt": ")" + SampleText(90) + R"(", "completion": ")" +
            std::string(60, 'a') + "\"}\n";
  }
  for (size_t at = 0; (at = data.find(".\n", at)) != std::string::npos; ++at) {
    if (data[at + 2] != '{') data.replace(at, 2, ". ");
  }
  TrainRun run = WithConfig(TinyRun(dir.path(), data), MemoryConfig());
  run.spec.steps = 3;
  RecordingObserver observer;
  EXPECT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.Warnings("DOCUMENTS_CUT"), 0);
}

}  // namespace
}  // namespace strata
