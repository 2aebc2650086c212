// Damaged checkpoints and full disks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "model/version_dir.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::ResultHash;
using testing::SampleText;
using testing::TempDir;
using testing::TinyRun;
using testing::TrainerProcess;
using Signal = TrainObserver::Signal;

void FlipByte(const std::string& path, int64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(at);
  const char byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(at);
  file.put(byte);
  ASSERT_TRUE(file.good());
}

// Stops behind step 10, with checkpoints 8 and 10.
void TrainHalf(const TrainRun& run) {
  RecordingObserver observer;
  observer.poll = [&] {
    return observer.progress.size() >= 10 ? Signal::kCheckpointAndStop
                                          : Signal::kContinue;
  };
  ASSERT_TRUE(absl::IsAborted(RunTraining(run, &observer)));
  ASSERT_EQ(observer.checkpoints.back(), 10);
}

TEST(Checkpoints, AFlippedByteFallsBackToTheOneBefore) {
  for (const char* file : {"model.safetensors", "optimizer.safetensors",
                           "trainer_state.json", "MANIFEST.json"}) {
    TempDir dir;
    TrainRun run = TinyRun(dir.path(), SampleText(20000));
    RecordingObserver whole;
    ASSERT_EQ(RunTraining(run, &whole), absl::OkStatus());
    const std::string expected = ResultHash(run);
    run.job_dir += "2";
    TrainHalf(run);
    const std::string damaged =
        absl::StrCat(run.job_dir, "/checkpoints/step-10/", file);
    FlipByte(damaged, static_cast<int64_t>(
                          std::filesystem::file_size(damaged) / 2));
    RecordingObserver observer;
    ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus()) << file;
    EXPECT_EQ(observer.Warnings("CHECKPOINT_CORRUPT"), 1) << file;
    EXPECT_EQ(observer.started.back(), 8) << file;
    EXPECT_EQ(ResultHash(run), expected) << file;
  }
}

TEST(Checkpoints, AllDamagedMeansFromTheStart) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  TrainHalf(run);
  for (const char* step : {"8", "10"}) {
    std::filesystem::remove(
        absl::StrCat(run.job_dir, "/checkpoints/step-", step, "/MANIFEST.json"));
  }
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.Warnings("CHECKPOINT_CORRUPT"), 2);
  EXPECT_EQ(observer.started.back(), 0);
}

TEST(Checkpoints, ThoseOfAnotherSpecAreNotUsed) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  TrainHalf(run);
  run.spec.seed = 77;
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.started.back(), 0);
}

int CountWarnings(const std::vector<TrainEvent>& events,
                  absl::string_view code) {
  int count = 0;
  for (const TrainEvent& e : events) {
    count += e.type == TrainEvent::Type::kWarning && e.code == code;
  }
  return count;
}

// A limit on the size of files stands for a disk that cannot take the weights.
TEST(FullDisk, FailsAtTheFinalSaveOnly) {
  TempDir dir;
  const TrainRun run = TinyRun(dir.path(), SampleText(20000));
  TrainerProcess trainer(run, /*file_limit=*/64 << 10);
  std::vector<TrainEvent> events;
  const absl::Status status = trainer.Finish(&events);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("STORAGE_FULL"));
  EXPECT_GE(CountWarnings(events, "STORAGE_FULL"), 1);
  EXPECT_EQ(events.end()[-2].type, TrainEvent::Type::kEval);  // it went on
  EXPECT_EQ(events.end()[-2].eval.step, run.spec.steps);
  EXPECT_EQ(ResultHash(run), "");
}

// A real file system that fills up and is freed again.
TEST(FullDisk, TrainingGoesOnAndTheOldCheckpointStays) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.job_dir = dir.path() + "/small";
  std::filesystem::create_directories(run.job_dir);
  if (mount("none", run.job_dir.c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "no right to mount a tmpfs here";
  }
  const std::string ballast = run.job_dir + "/ballast";
  RecordingObserver observer;
  observer.on_progress = [&](const TrainProgress& p) {
    if (p.step == 5) {  // fill what is left
      std::ofstream file(ballast, std::ios::binary);
      const std::string block(4096, 'x');
      while (file.write(block.data(), 4096).flush()) {
      }
    }
    if (p.step == 14) {
      EXPECT_TRUE(
          ReadManifest(run.job_dir + "/checkpoints/step-4", true).ok());
      std::filesystem::remove(ballast);
    }
  };
  const absl::Status status = RunTraining(run, &observer);
  const std::string hash = ResultHash(run);
  umount(run.job_dir.c_str());
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(observer.Warnings("STORAGE_FULL"), 2);  // at 8 and 12
  EXPECT_THAT(observer.checkpoints, ::testing::ElementsAre(4, 16, 20));
  EXPECT_EQ(hash.size(), 64u);
}

}  // namespace
}  // namespace strata
