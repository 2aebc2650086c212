// The trainer as a process: events, control lines, the end of its input.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::ResultHash;
using testing::SampleText;
using testing::TempDir;
using testing::TinyRun;
using testing::TrainerProcess;
using Type = TrainEvent::Type;

TrainRun LongRun(const std::string& dir) {
  TrainRun run = TinyRun(dir, SampleText(20000));
  run.spec.steps = 1000000;
  return run;
}

// Reads up to the first progress.
void AwaitProgress(TrainerProcess* trainer) {
  while (auto event = trainer->Next()) {
    if (event->type == Type::kProgress) return;
  }
  FAIL() << "the trainer ended";
}

// Events up to the first of `type`.
std::vector<TrainEvent> EventsUpTo(Type type, TrainerProcess* trainer) {
  std::vector<TrainEvent> events;
  while (auto event = trainer->Next()) {
    events.push_back(*std::move(event));
    if (events.back().type == type) return events;
  }
  ADD_FAILURE() << "the trainer ended";
  return events;
}

TEST(TrainerProcess, ReportsFromStartToEnd) {
  TempDir dir;
  const TrainRun run = TinyRun(dir.path(), SampleText(20000));
  TrainerProcess trainer(run);
  std::vector<TrainEvent> events;
  EXPECT_EQ(trainer.Finish(&events), absl::OkStatus());
  EXPECT_EQ(trainer.Wait(), 0);
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events.front().type, Type::kStarted);
  EXPECT_EQ(events.front().threads, 1);
  EXPECT_THAT(events.front().environment_json, ::testing::HasSubstr("isa"));
  EXPECT_EQ(events.back().type, Type::kEnded);
  int64_t last_step = 0;
  for (const TrainEvent& e : events) {
    if (e.type != Type::kProgress) continue;
    EXPECT_GT(e.progress.step, last_step);
    last_step = e.progress.step;
  }
  EXPECT_EQ(last_step, run.spec.steps);  // the last one is never dropped
  EXPECT_EQ(ResultHash(run).size(), 64u);
}

TEST(TrainerProcess, CancelsAndStops) {
  TempDir dir;
  TrainRun run = LongRun(dir.path());
  {
    TrainerProcess trainer(run);
    AwaitProgress(&trainer);
    trainer.Write("stop\n");
    std::vector<TrainEvent> events;
    EXPECT_EQ(trainer.Finish(&events).code(), absl::StatusCode::kAborted);
    EXPECT_EQ(trainer.Wait(), kTrainerExitTemporary);
    EXPECT_EQ(events.end()[-2].type, Type::kCheckpoint);
  }
  TrainerProcess trainer(run);
  const auto started = trainer.Next();
  ASSERT_TRUE(started.has_value());
  EXPECT_GT(started->resumed_from_step, 0);
  AwaitProgress(&trainer);
  trainer.Write("nonsense\ncancel\n");
  EXPECT_EQ(trainer.Finish().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(trainer.Wait(), kTrainerExitUserError);
}

TEST(TrainerProcess, ACancelDoesNotWaitForTheStep) {
  TempDir dir;
  TrainRun run = LongRun(dir.path());
  run.spec.batch = 4096;  // one step is one micro-batch of many seconds
  run.spec.micro_batch = run.spec.batch;
  TrainerProcess trainer(run);
  EventsUpTo(Type::kStarted, &trainer);  // behind a warning of so large a batch
  trainer.Write("cancel\n");
  std::vector<TrainEvent> events;
  EXPECT_EQ(trainer.Finish(&events).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(trainer.Wait(), kTrainerExitUserError);
  EXPECT_EQ(events.size(), 1u);  // the end, and no progress before it
}

int CountAlive(const std::vector<TrainEvent>& events) {
  int count = 0;
  for (const TrainEvent& e : events) count += e.type == Type::kAlive;
  return count;
}

// A heartbeat that is always due shows where it comes from.
TEST(TrainerProcess, IsHeardInLoadingInAStepAndInAnEvaluation) {
  TempDir dir;
  TrainRun run = LongRun(dir.path());
  run.spec.batch = 64;
  run.spec.micro_batch = 1;
  run.spec.eval_every_steps = 1;
  run.spec.eval_max_items = 40 * run.spec.sequence;
  run.spec.eval_fraction = 0.5;
  run.heartbeat_seconds = 1e-9;
  TrainerProcess trainer(run);
  EXPECT_GE(CountAlive(EventsUpTo(Type::kStarted, &trainer)), 3);
  EXPECT_GE(CountAlive(EventsUpTo(Type::kProgress, &trainer)), 64);
  EXPECT_GE(CountAlive(EventsUpTo(Type::kEval, &trainer)), 20);
}

TEST(TrainerProcess, AHeartbeatThatIsNotDueCostsNoEvent) {
  for (const double seconds : {0.0, 1e6}) {
    TempDir dir;
    TrainRun run = TinyRun(dir.path(), SampleText(20000));
    run.heartbeat_seconds = seconds;
    TrainerProcess trainer(run);
    std::vector<TrainEvent> events;
    EXPECT_EQ(trainer.Finish(&events), absl::OkStatus());
    EXPECT_EQ(CountAlive(events), 0) << seconds;
  }
}

TEST(TrainerProcess, EndsWhenItsInputEnds) {
  TempDir dir;
  const TrainRun run = LongRun(dir.path());
  TrainerProcess trainer(run);
  AwaitProgress(&trainer);
  trainer.CloseInput();
  EXPECT_EQ(trainer.Finish().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(trainer.Wait(), kTrainerExitTemporary);
}

TEST(TrainerProcess, NamesWhatIsWrongWithItsRun) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(2000));
  run.spec.batch = 0;
  TrainerProcess trainer(run);
  const absl::Status status = trainer.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("batch"));
  EXPECT_EQ(trainer.Wait(), kTrainerExitUserError);
}

}  // namespace
}  // namespace strata
