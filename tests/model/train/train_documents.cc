#include "tests/model/train/train_documents.h"

#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>

#include "model/train/checkpoint.h"
#include "model/train/environment.h"
#include "model/train/evaluate.h"
#include "model/train/language_task.h"
#include "model/train/split.h"
#include "model/train/train_hooks.h"
#include "model/train/train_loop.h"
#include "tests/model/train/train_fixture.h"

namespace strata::testing {
namespace {

// "" where the command fails.
std::string OutputOf(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string text;
  char chunk[65536];
  size_t n = 0;
  while ((n = fread(chunk, 1, sizeof(chunk), pipe)) > 0) text.append(chunk, n);
  return pclose(pipe) == 0 ? text : "";
}

}  // namespace

TrainRun PresetRun(const std::string& dir, const std::string& preset,
                   int64_t steps) {
  TrainRun run;
  run.job_dir = dir + "/" + preset;
  std::filesystem::create_directories(run.job_dir);
  run.spec.base = preset;
  run.spec.model = "result";
  run.spec.dataset_sha256 = std::string(64, '0');
  run.spec.steps = steps;
  run.spec.sequence = 256;
  run.spec.dropout = 0;
  run.spec.eval_every_steps = steps + 1;
  run.spec.checkpoint_every_steps = steps + 1;
  run.spec.checkpoint_every_seconds = 1e6;
  run.spec = ResolveTrainSpec(run.spec, /*default_threads=*/1, 0.1);
  return run;
}

TrainedModel TrainOnDocuments(const TrainRun& run,
                              std::vector<Document> documents, bool is_text) {
  ConfigureTrainingProcess(run);
  auto model = DescribeModel(run, TemplateKind::kText);
  auto checkpoints = CheckpointStore::Open(run.job_dir, 1, 1, 1);
  EXPECT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE(checkpoints.ok()) << checkpoints.status();
  if (!model.ok() || !checkpoints.ok()) return TrainedModel();
  DataSplit data;
  data.is_text = is_text;
  data.train = std::move(documents);
  RecordingObserver observer;
  const TrainHooks hooks;
  LanguageTask task(run, data, &*model);
  TrainLoop loop(run, &observer, hooks, &task, &*checkpoints);
  EXPECT_EQ(loop.Run(), absl::OkStatus());
  return *std::move(model);
}

double BitsPerByte(TrainedModel* model, const std::vector<Document>& documents,
                   int64_t sequence) {
  EvalOptions options;
  options.max_items = int64_t{1} << 40;
  options.batcher.sequence = sequence;
  options.batcher.block_bytes =
      DocumentAlignment(model->config);
  const auto eval = Evaluate(model->model, documents, options,
                             [] { return absl::OkStatus(); });
  EXPECT_TRUE(eval.ok()) << eval.status();
  return eval.ok() ? eval->bits_per_byte : std::nan("");
}

std::string TinyShakespeare() {
  const char* folder = getenv("STRATA_SHARED_DATA");
  if (folder == nullptr) return "";
  const std::string path =
      std::string(folder) + "/tinyshakespeare/input.txt.xz";
  if (!std::filesystem::exists(path)) return "";
  return OutputOf("xz -dc '" + path + "'");
}

std::string Licences() {
  return OutputOf(
      "find /usr/share/common-licenses -type f | LC_ALL=C sort | xargs cat");
}

double WindowNats(TrainedModel* model, const std::string& text) {
  constexpr size_t kWindows = 160, kLength = 256;
  const size_t begin = text.size() / 10 * 9;
  const size_t stride = (text.size() - begin - kLength) / (kWindows - 1);
  std::vector<Document> windows;
  for (size_t i = 0; i < kWindows; ++i) {
    windows.push_back(TextDocument(
        absl::string_view(text).substr(begin + i * stride, kLength), false));
  }
  // 257 items with SOS: one window a row.
  return BitsPerByte(model, windows, 264) * std::log(2.0);
}

}  // namespace strata::testing
