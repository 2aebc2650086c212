// Training on a device that is not the CPU: tests/testing/far_device.h stands for a GPU,
// unless STRATA_TEST_DEVICE names one. The same run gives the same losses as on the CPU, up to rounding; everything that a run
// keeps is of the host's; and a step waits for the device as seldom as it may.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/document_config.h"
#include "model/presets.h"
#include "model/train/train_device.h"
#include "model/trainer.h"
#include "tests/model/option_configs.h"
#include "tests/model/small_presets.h"
#include "tests/model/train/train_fixture.h"
#include "tests/testing/far_device.h"
#include "tests/testing/test_device.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;
using Signal = TrainObserver::Signal;

const std::string& Device() {
  static const auto* const name = new std::string(TestDeviceName(kFarDevice));
  return *name;
}

// Dropout draws other numbers elsewhere.
TrainRun FarRun(const TempDir& dir) {
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.spec.dropout = 0;
  run.device = Device();
  return run;
}

std::vector<double> Losses(const TrainRun& run) {
  RecordingObserver observer;
  const absl::Status status = RunTraining(run, &observer);
  EXPECT_TRUE(status.ok()) << status;
  std::vector<double> losses;
  for (const TrainProgress& p : observer.progress) losses.push_back(p.loss);
  for (const TrainEval& eval : observer.evals) losses.push_back(eval.loss);
  return losses;
}

// Its environment.
std::string StopAtStep10(const TrainRun& run) {
  RecordingObserver observer;
  observer.poll = [&] {
    return observer.progress.size() == 10 ? Signal::kCheckpointAndStop : Signal::kContinue;
  };
  EXPECT_EQ(RunTraining(run, &observer).code(), absl::StatusCode::kAborted);
  return observer.environment;
}

// Both devices' losses of one run: those of the first step, of equal weights, to 1e-5.
void ExpectSameLosses(TrainRun run, double tolerance) {
  const std::vector<double> far = Losses(run);
  run.job_dir += "-cpu";
  run.device = "cpu";
  std::filesystem::create_directories(run.job_dir);
  const std::vector<double> near = Losses(run);
  ASSERT_EQ(far.size(), near.size());
  ASSERT_FALSE(far.empty());
  for (size_t i = 0; i < far.size(); ++i) {
    EXPECT_NEAR(far[i], near[i], (i == 0 ? 1e-5 : tolerance) * near[i]) << i;
  }
}

struct DeviceCase {
  std::string name;
  ModelConfig config;
};

void PrintTo(const DeviceCase& c, std::ostream* out) { *out << c.name; }

std::vector<DeviceCase> DeviceCases() {
  std::vector<DeviceCase> cases;
  for (const std::string preset : kSmallPresets) {
    cases.push_back({preset, *PresetConfig(preset)});
  }
  for (const OptionFamily& family : kOptionFamilies) {
    for (const std::string& name : family.names()) cases.push_back({name, family.make(name)});
  }
  return cases;
}

class EveryModelOnADevice : public ::testing::TestWithParam<DeviceCase> {};

TEST_P(EveryModelOnADevice, LosesWhatItLosesOnTheCpu) {
  TempDir dir;
  TrainRun run = WithConfig(FarRun(dir), GetParam().config);
  run.spec.steps = 2;
  run.spec.sequence = 480;  // whole blocks of all of them
  ExpectSameLosses(run, 1e-3);
}

std::string NameOf(const ::testing::TestParamInfo<DeviceCase>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Configs, EveryModelOnADevice, ::testing::ValuesIn(DeviceCases()),
                         NameOf);

TEST(TrainDevice, LearnsAsTheCpuDoes) {
  TempDir dir;
  ExpectSameLosses(FarRun(dir), 1e-3);
}

TEST(TrainDevice, ClassifiersTrainThereToo) {
  TempDir dir;
  std::string lines;
  for (int i = 0; i < 60; ++i) {
    const char* const word = i % 2 == 0 ? "splendid" : "dreadful";
    absl::StrAppend(&lines, "{\"text\": \"It was ", word, " to see. Number ", i,
                    ".\", \"label\": \"", word, "\"}\n");
  }
  TrainRun run = TinyRun(dir.path(), lines);
  DocumentConfig config = *DocumentPreset("document");
  config.ngram_buckets = config.word_buckets = 64;
  run.base_dir = run.spec.base = "";
  run.spec.config = DocumentConfigToJson(config);
  run.spec.dropout = 0;
  run.spec.steps = 3;
  run.device = Device();
  ExpectSameLosses(run, 1e-3);
}

TEST(TrainDevice, AStoppedRunEndsInTheSameBits) {
  TempDir whole_dir, cut_dir;
  TrainRun whole = TinyRun(whole_dir.path(), SampleText(20000));
  whole.device = Device();
  RecordingObserver unheard;
  ASSERT_EQ(RunTraining(whole, &unheard), absl::OkStatus());

  TrainRun cut = TinyRun(cut_dir.path(), SampleText(20000));
  cut.device = Device();
  StopAtStep10(cut);
  RecordingObserver second;
  ASSERT_EQ(RunTraining(cut, &second), absl::OkStatus());
  EXPECT_EQ(second.started, std::vector<int64_t>{10});
  EXPECT_EQ(second.Warnings("NOT_BIT_EXACT"), 0);
  EXPECT_EQ(ResultHash(cut), ResultHash(whole));
}

// A checkpoint is of no device.
TEST(TrainDevice, ARunGoesOnElsewhere) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.device = Device();
  const std::string environment = StopAtStep10(run);
  EXPECT_THAT(environment,
              HasSubstr("\"" + Device().substr(0, Device().find(':')) + "\""));
  EXPECT_THAT(environment, HasSubstr("\"deterministic\":false"));
  run.device = "cpu";
  RecordingObserver second;
  ASSERT_EQ(RunTraining(run, &second), absl::OkStatus());
  EXPECT_EQ(second.started, std::vector<int64_t>{10});
  EXPECT_EQ(second.Warnings("NOT_BIT_EXACT"), 1);
}

TEST(TrainDevice, ProductsMayBeOfHalfTheBits) {
  TempDir dir;
  TrainRun run = FarRun(dir);
  run.spec.bf16 = true;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.Warnings("NO_BF16_UNITS"), 0);  // of the processor
  EXPECT_LT(observer.progress.back().loss, 0.8 * observer.progress.front().loss);
}

// It is drawn there, and learnt with.
TEST(TrainDevice, DropoutIsDrawnOnTheDevice) {
  TempDir dir, again_dir;
  TrainRun run = FarRun(dir), again = FarRun(again_dir);
  run.spec.dropout = again.spec.dropout = 0.2;
  const std::vector<double> losses = Losses(run);
  EXPECT_EQ(losses[0], Losses(again)[0]);  // by the seed
  EXPECT_LT(losses[run.spec.steps - 1], 0.8 * losses[0]);
}

// The loss, and the gradient's norm: no more is asked of the device in a step, however
// many micro-batches it has.
TEST(TrainDevice, AStepLooksAtTwoNumbers) {
  if (Device() != kFarDevice) GTEST_SKIP() << "only of far_device.h it is known";
  for (const std::string preset : {"flat-1m", "block-1m"}) {
    TempDir dir;
    TrainRun run = WithConfig(FarRun(dir), *PresetConfig(preset));
    run.spec.steps = 6;
    run.spec.micro_batch = 1;
    run.spec.checkpoint_every_steps = 100;
    run.spec.eval_every_steps = 100;
    RecordingObserver observer;
    std::vector<int64_t> reads;
    observer.on_progress = [&](const TrainProgress&) { reads.push_back(FarDeviceReads()); };
    ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
    EXPECT_EQ(reads.back() - reads[0], 5 * 2) << preset;
  }
}

TEST(TrainDevice, WhatIsNotThereIsSaid) {
  TempDir dir;
  TrainRun run = FarRun(dir);
  run.device = "cuda:7";
  RecordingObserver observer;
  const absl::Status status = RunTraining(run, &observer);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cuda:7"));
  EXPECT_EQ(OpenTrainDevice("gpu").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace strata::testing
