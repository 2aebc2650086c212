// Training of heads that learn their spans: they grow where that helps, and pay for it.

#include <gtest/gtest.h>

#include <string>

#include "model/safetensors.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::TempDir;
using testing::TinyRun;
using testing::WithConfig;

// The largest span of a trained model, as it is stored: 0 to 1.
float LargestSpan(double weight) {
  TempDir dir;
  ModelConfig config = testing::TinyConfig();
  config.levels = {config.levels[0]};
  LevelConfig& level = config.levels[0];
  level.enc_layers = 0;
  level.dec_layers = 1;
  level.window = 48;
  level.block = 0;
  level.position = FindPositionScheme("adaptive-span");
  level.position_span = 80;  // a ramp of 10
  config.reach = 47;
  // Words of eight letters, each several times: what comes next stood nine bytes back.
  std::string text;
  for (unsigned i = 0; text.size() < 40000; ++i) {
    std::string word;
    for (int letter = 0; letter < 8; ++letter) {
      word += static_cast<char>('a' + ((i * 8 + letter) * 2654435761u >> 15) % 26);
    }
    for (int times = 0; times < 8; ++times) text += word + " ";
  }
  TrainRun run = WithConfig(TinyRun(dir.path(), text), config);
  run.spec.steps = 150;
  run.spec.learning_rate = 1e-2;
  run.spec.span_weight = weight;
  run.spec.dropout = 0;
  RecordingObserver observer;
  EXPECT_EQ(RunTraining(run, &observer), absl::OkStatus());
  const auto file = SafetensorsFile::Open(run.job_dir + "/result/model.safetensors");
  EXPECT_TRUE(file.ok()) << file.status();
  float largest = 0;
  for (const auto& [name, view] : (*file)->tensors()) {
    if (name.find("position.span") == std::string::npos) continue;
    const auto* values = reinterpret_cast<const float*>(view.data.data());
    for (int head = 0; head < level.heads; ++head) {
      largest = std::max(largest, values[head]);
    }
  }
  return largest;
}

TEST(SpanTraining, SpansGrowWhereThatHelpsUnlessTheyCostMore) {
  const float free = LargestSpan(0), costly = LargestSpan(1);
  EXPECT_GT(free, 0.02);
  EXPECT_LT(costly, free / 4);
}

}  // namespace
}  // namespace strata
