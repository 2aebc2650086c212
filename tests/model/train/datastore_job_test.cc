// The job that builds a datastore: what it makes, that kills change nothing of it, and
// what it refuses. And what it is for: a text that a datastore holds is foretold by it.

#include "model/train/datastore_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "model/datastore/datastore.h"
#include "model/decode/load_model.h"
#include "model/sampling.h"
#include "model/version_dir.h"
#include "tests/model/train/kill_runs.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using testing::KillSomewhere;
using testing::RecordingObserver;
using testing::SampleText;
using testing::TempDir;
using testing::TinyRun;
using testing::TrainerProcess;

TrainRun DatastoreRun(const std::string& dir, const std::string& text,
                      const std::string& index = "auto") {
  TrainRun run = TinyRun(dir, text);
  run.spec.steps = 0;
  run.spec.datastore = {1'000'000, 32, index};
  return run;
}

std::string Result(const TrainRun& run) { return run.job_dir + "/result"; }

// Both files, to the bit.
std::string DatastoreHash(const TrainRun& run) {
  std::string hashes;
  for (const char* file : {kDatastoreInfo, kDatastoreIndex}) {
    const auto hash = Sha256HexOfFile(absl::StrCat(Result(run), "/", file));
    if (!hash.ok()) return "";
    hashes += *hash;
  }
  return hashes;
}

DatastoreInfo InfoOf(const TrainRun& run) {
  const auto info = ParseDatastoreInfo(*ReadFile(Result(run) + "/" + kDatastoreInfo));
  EXPECT_TRUE(info.ok()) << info.status();
  return *info;
}

// Bits per byte of a text, read by the executor that serves: of one neighbour, with the
// weight given.
double BitsOf(const std::string& version, const std::string& text, double weight) {
  const auto model = *LoadCpuModel(version);
  const auto neighbours = *LoadDatastore(version, model->config(), int64_t{1} << 40);
  const auto generator = *model->NewGenerator({});
  const auto sequence = *generator->NewSequence(static_cast<int64_t>(text.size()) + 1);
  const NeighbourParams params{weight, 1, 1};
  double nats = 0;
  std::vector<float> logits(kVocab), hidden(model->config().levels[0].dim);
  Item last = kSos;
  for (const char c : text) {
    EXPECT_TRUE(generator
                    ->Step({{sequence.get(), {last}, absl::MakeSpan(logits),
                             absl::MakeSpan(hidden)}})
                    .ok());
    EXPECT_TRUE(ConsultNeighbours(*neighbours, params, hidden,
                                  static_cast<int64_t>(hidden.size()),
                                  absl::MakeSpan(logits))
                    .ok());
    last = static_cast<uint8_t>(c);
    nats -= LogProb(logits, last);
  }
  return nats / std::log(2.0) / static_cast<double>(text.size());
}

class EveryIndex : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryIndex, ::testing::Values("exact", "graph"));

TEST_P(EveryIndex, ATextThatItHoldsIsForetold) {
  TempDir dir;
  const std::string text = SampleText(8000);
  const TrainRun run = DatastoreRun(dir.path(), text, GetParam());
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  const DatastoreInfo info = InfoOf(run);
  EXPECT_EQ(info.entries, 7201);  // a tenth of all and kEos is held out
  EXPECT_EQ(IndexKindName(info.kind), GetParam());
  // From where a piece begins, what was stored is at distance 0, and at others hardly
  // ever is there anything.
  const std::string stored = text.substr(0, 63);
  const double alone = BitsOf(Result(run), stored, 0);
  EXPECT_GT(alone, 7);  // weights that know nothing
  EXPECT_LT(BitsOf(Result(run), stored, 0.9), 0.5);
  // Text of the same words that it does not hold is helped, too: that is on the record.
  EXPECT_EQ(observer.evals.size(), 2u);
  EXPECT_EQ(observer.evals[0].step, 0);
  EXPECT_NEAR(observer.evals[0].bits_per_byte, info.bits_per_byte_alone, 1e-12);
  EXPECT_NEAR(observer.evals[1].bits_per_byte, info.bits_per_byte, 1e-12);
  EXPECT_LT(info.bits_per_byte, 0.7 * info.bits_per_byte_alone);
  EXPECT_GT(info.best.weight, 0.5);
}

TEST(DatastoreJob, TheWeightsStayAndAnEarlierDatastoreGoes) {
  TempDir dir;
  TrainRun run = DatastoreRun(dir.path(), SampleText(4000));
  RecordingObserver first;
  ASSERT_EQ(RunTraining(run, &first), absl::OkStatus());
  EXPECT_EQ(testing::ResultHash(run),
            *Sha256HexOfFile(run.base_dir + "/model.safetensors"));
  EXPECT_TRUE(ReadManifest(Result(run), /*verify=*/true).ok());
  run.base_dir = Result(run);
  run.job_dir = dir.path() + "/second";
  std::filesystem::create_directories(run.job_dir);
  run.spec.datastore.entries = 1000;
  RecordingObserver second;
  ASSERT_EQ(RunTraining(run, &second), absl::OkStatus());
  const DatastoreInfo info = InfoOf(run);
  EXPECT_LE(info.entries, 1000);
  EXPECT_GE(info.entries, 900);
  EXPECT_EQ(second.Warnings("DATASTORE_PART"), 1);
  EXPECT_EQ(first.Warnings("DATASTORE_PART"), 0);
}

TEST(DatastoreJob, ProgressCountsPiecesAndEntries) {
  TempDir dir;
  const TrainRun run = DatastoreRun(dir.path(), SampleText(4000));
  RecordingObserver observer;
  ASSERT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.started, std::vector<int64_t>{0});
  ASSERT_EQ(observer.progress.size(), 58u);  // 3601 entries, 63 a piece
  for (size_t i = 0; i < observer.progress.size(); ++i) {
    EXPECT_EQ(observer.progress[i].step, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(observer.progress[i].total_steps, 58);
    EXPECT_GT(observer.progress[i].bits_per_byte, 1);
  }
  EXPECT_EQ(observer.progress.back().items_total, 3601);
  EXPECT_EQ(observer.checkpoints.back(), 58);
}

TEST_P(EveryIndex, KillsChangeNoBit) {
  TempDir dir;
  // Large enough to outlive every kill.
  const bool exact = GetParam() == std::string(kIndexExact);
  TrainRun run =
      DatastoreRun(dir.path(), SampleText(exact ? 120'000 : 40'000), GetParam());
  run.spec.checkpoint_every_steps = 50;
  {
    TrainerProcess trainer(run);
    ASSERT_EQ(trainer.Finish(), absl::OkStatus());
  }
  const std::string want = DatastoreHash(run);
  ASSERT_NE(want, "");
  run.job_dir += "-killed";
  run.save_within_seconds = 0.05;  // at steps that no clock repeats
  std::filesystem::create_directories(run.job_dir);
  for (uint64_t kill = 0; kill < 3; ++kill) {
    ++run.fence;
    KillSomewhere(run, 11, kill);
  }
  ++run.fence;
  run.spec.threads = 2;  // nor do threads
  TrainerProcess trainer(run);
  std::vector<TrainEvent> events;
  ASSERT_EQ(trainer.Finish(&events), absl::OkStatus());
  EXPECT_EQ(DatastoreHash(run), want);
}

TEST(DatastoreJob, AStopSavesAndACorruptCheckpointFallsBack) {
  TempDir dir;
  TrainRun run = DatastoreRun(dir.path(), SampleText(6000));
  RecordingObserver whole;
  ASSERT_EQ(RunTraining(run, &whole), absl::OkStatus());
  const std::string want = DatastoreHash(run);
  run.job_dir = dir.path() + "/again";
  std::filesystem::create_directories(run.job_dir);
  RecordingObserver stopped;
  stopped.poll = [&] {
    return stopped.progress.size() == 30 ? TrainObserver::Signal::kCheckpointAndStop
                                         : TrainObserver::Signal::kContinue;
  };
  const absl::Status status = RunTraining(run, &stopped);
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  ASSERT_EQ(stopped.checkpoints.back(), 30);
  std::ofstream(run.job_dir + "/checkpoints/step-30/" + kDatastoreIndex,
                std::ios::binary | std::ios::in)
      .seekp(500) << "damage";
  RecordingObserver resumed;
  ASSERT_EQ(RunTraining(run, &resumed), absl::OkStatus());
  EXPECT_EQ(resumed.Warnings("CHECKPOINT_CORRUPT"), 1);
  EXPECT_EQ(resumed.started, std::vector<int64_t>{28});
  EXPECT_EQ(DatastoreHash(run), want);
  RecordingObserver cancelled;
  cancelled.poll = [] { return TrainObserver::Signal::kCancel; };
  run.job_dir = dir.path() + "/cancelled";
  std::filesystem::create_directories(run.job_dir);
  EXPECT_TRUE(absl::IsCancelled(RunTraining(run, &cancelled)));
}

TEST(DatastoreJob, WhatCannotBeBuiltIsRefusedWithItsReason) {
  TempDir dir;
  const TrainRun good = DatastoreRun(dir.path(), SampleText(4000));
  const auto refusal = [&](const std::function<void(TrainRun*)>& spoil) {
    TrainRun run = good;
    spoil(&run);
    RecordingObserver observer;
    return RunTraining(run, &observer).ToString();
  };
  EXPECT_THAT(refusal([](TrainRun* run) { run->spec.eval_fraction = 0; }),
              HasSubstr("spec.eval_fraction"));
  EXPECT_THAT(refusal([](TrainRun* run) { run->spec.steps = 4; }),
              HasSubstr("spec.steps"));
  EXPECT_THAT(refusal([](TrainRun* run) { run->spec.datastore.entries = 5; }),
              HasSubstr("spec.datastore.entries: is 5"));
  EXPECT_THAT(refusal([](TrainRun* run) { run->spec.datastore.neighbours = 0; }),
              HasSubstr("spec.datastore.neighbours: is 0"));
  EXPECT_THAT(refusal([](TrainRun* run) {
                run->spec.tokenizer = "bpe";
                run->spec.pieces = 300;
              }),
              HasSubstr("spec.tokenizer"));
  const std::string pair = "{\"prompt\": \"a\", \"completion\": \"b\"}\n";
  EXPECT_THAT(refusal([&](TrainRun* run) {
                run->dataset_path = dir.path() + "/pairs";
                std::ofstream(run->dataset_path) << pair << pair;
                run->spec.dataset_sha256 = Sha256Hex(pair + pair);
              }),
              HasSubstr("must be of the same kind"));
  EXPECT_THAT(refusal([&](TrainRun* run) { run->base_dir += "-none"; }),
              HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace strata
