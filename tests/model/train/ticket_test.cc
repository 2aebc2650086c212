// Slices of work on a device: where a run takes them, and a trainer process that
// waits for its ticket before each.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "model/train/train_hooks.h"
#include "server/jobs/local_executor.h"
#include "tests/model/train/train_fixture.h"
#include "tests/testing/attempt_end.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::ResultHash;
using testing::SampleText;
using testing::TempDir;
using testing::TinyRun;
using testing::TrainerProcess;
using Type = TrainEvent::Type;
using Signal = TrainObserver::Signal;

// Of TinyRun: a step has two micro-batches and what follows them.
constexpr int64_t kSlicesOfAStep = 3;

// Takes tickets in the process itself.
class TicketObserver final : public RecordingObserver {
 public:
  bool takes_tickets() const override { return true; }
  Signal BeginSlice() override {
    EXPECT_FALSE(open);
    const Signal signal = Poll();
    open = signal == Signal::kContinue;
    slices += open;
    return signal;
  }
  void EndSlice(double seconds) override {
    EXPECT_TRUE(open);
    EXPECT_GT(seconds, 0);
    open = false;
  }
  void OnProgress(const TrainProgress& progress) override {
    EXPECT_FALSE(open);
    EXPECT_EQ(slices - slices_of_evals, progress.step * kSlicesOfAStep);
    RecordingObserver::OnProgress(progress);
    slices_before_eval = slices;
  }
  void OnEval(const TrainEval& eval) override {
    EXPECT_FALSE(open);
    EXPECT_GT(slices, slices_before_eval);
    slices_of_evals += slices - slices_before_eval;
    RecordingObserver::OnEval(eval);
  }
  void OnCheckpoint(int64_t step, absl::string_view path, int64_t bytes) override {
    EXPECT_FALSE(open);
    RecordingObserver::OnCheckpoint(step, path, bytes);
  }

  bool open = false;
  int64_t slices = 0;
  int64_t slices_before_eval = 0;
  int64_t slices_of_evals = 0;
};

TEST(Slices, AreTakenForPassesAndUpdatesAndHeldForNothingElse) {
  TempDir dir;
  const TrainRun run = TinyRun(dir.path(), SampleText(20000));
  TicketObserver observer;
  EXPECT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_FALSE(observer.open);
  EXPECT_EQ(observer.evals.size(), 3u);
  EXPECT_EQ(observer.checkpoints.size(), 5u);
  EXPECT_EQ(observer.slices - observer.slices_of_evals,
            run.spec.steps * kSlicesOfAStep + 1);  // the look for leaks
}

TEST(Slices, OfAStepThatIsNotAppliedComeBackToo) {
  TempDir dir;
  TicketObserver observer;
  TrainHooks hooks;
  hooks.after_backward = [](const TrainState& state, double* loss) {
    if (state.step == 3) *loss = std::numeric_limits<double>::quiet_NaN();
  };
  EXPECT_EQ(RunTrainingWithHooks(TinyRun(dir.path(), SampleText(20000)), &observer, hooks),
            absl::OkStatus());
  EXPECT_EQ(observer.Warnings("NON_FINITE"), 1);
  EXPECT_FALSE(observer.open);
}

// A stop in place of the third slice of step 3, which is broken off.
TEST(Slices, AStopLeavesNoneOpenAndSavesTheStepBefore) {
  TempDir dir;
  TicketObserver observer;
  observer.poll = [&] {
    return observer.slices >= 8 ? Signal::kCheckpointAndStop : Signal::kContinue;
  };
  EXPECT_TRUE(
      absl::IsAborted(RunTraining(TinyRun(dir.path(), SampleText(20000)), &observer)));
  EXPECT_FALSE(observer.open);
  EXPECT_EQ(observer.checkpoints, std::vector<int64_t>{2});
}

// Answers each question of `trainer` with "go" until `type` comes; how many.
int64_t GoUpTo(Type type, TrainerProcess* trainer) {
  int64_t goes = 0;
  while (auto event = trainer->Next()) {
    if (event->type == Type::kTicket) {
      trainer->Write("go\n");
      ++goes;
    }
    if (event->type == type) return goes;
  }
  ADD_FAILURE() << "the trainer ended";
  return goes;
}

TEST(TrainerTickets, EachSliceIsAskedForAndGivenBackAndTheResultIsTheSame) {
  TempDir dir, other;
  const TrainRun plain = TinyRun(other.path(), SampleText(20000));
  EXPECT_EQ(TrainerProcess(plain).Finish(), absl::OkStatus());
  const TrainRun run = TinyRun(dir.path(), SampleText(20000));
  TrainerProcess trainer(run, /*file_limit=*/0, /*tickets=*/true);
  bool held = false;
  int64_t slices = 0;
  absl::Status status = absl::UnavailableError("");
  while (auto event = trainer.Next()) {
    if (event->type == Type::kTicket) {
      EXPECT_FALSE(held);
      held = true;
      trainer.Write("go\n");
    } else if (event->type == Type::kSlice) {
      EXPECT_TRUE(held);
      EXPECT_GT(event->seconds, 0);
      held = false;
      ++slices;
    }
    if (event->type == Type::kEnded) status = event->status;
  }
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_FALSE(held);
  EXPECT_GT(slices, run.spec.steps * kSlicesOfAStep);  // and evaluations
  EXPECT_EQ(ResultHash(run), ResultHash(plain));
}

TEST(TrainerTickets, NothingIsDoneWithoutOneButItSaysThatItLives) {
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), SampleText(20000));
  run.heartbeat_seconds = 0.02;
  TrainerProcess trainer(run, /*file_limit=*/0, /*tickets=*/true);
  while (auto event = trainer.Next()) {
    if (event->type == Type::kTicket) break;
  }
  for (int beat = 0; beat < 5; ++beat) {
    const auto event = trainer.Next();
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->type, Type::kAlive);
  }
  trainer.Write("go\n");
  GoUpTo(Type::kProgress, &trainer);
}

TEST(TrainerTickets, AStopEndsTheWaitAndTheQuestion) {
  TempDir dir;
  TrainerProcess trainer(TinyRun(dir.path(), SampleText(20000)), /*file_limit=*/0,
                         /*tickets=*/true);
  GoUpTo(Type::kProgress, &trainer);
  EXPECT_EQ(trainer.Next()->type, Type::kTicket);  // of the second step
  trainer.Write("stop\n");
  const auto withdrawn = trainer.Next();
  ASSERT_TRUE(withdrawn.has_value());
  EXPECT_EQ(withdrawn->type, Type::kSlice);
  EXPECT_EQ(withdrawn->seconds, 0);
  trainer.Write("go\n");  // comes too late: it is not waited for, nor taken
  std::vector<TrainEvent> events;
  EXPECT_TRUE(absl::IsAborted(trainer.Finish(&events)));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].type, Type::kCheckpoint);
  EXPECT_EQ(events[0].step, 1);
}

TEST(TrainerTickets, ACancelEndsTheWait) {
  TempDir dir;
  TrainerProcess trainer(TinyRun(dir.path(), SampleText(20000)), /*file_limit=*/0,
                         /*tickets=*/true);
  GoUpTo(Type::kProgress, &trainer);
  trainer.Write("cancel\n");
  EXPECT_TRUE(absl::IsCancelled(trainer.Finish()));
}

// Counts under the lock of the tickets.
class Ledger final : public JobObserver {
 public:
  void OnTicket(double) override { ++tickets; }
  void OnSlice(double seconds) override {
    ++slices;
    this->seconds += seconds;
  }
  int64_t tickets = 0, slices = 0;
  double seconds = 0;
};

// Two jobs beside requests that never end: they stay within their share, together, and
// come to their end.
TEST(TrainerTickets, RealTrainersShareADeviceWithRequests) {
  constexpr double kShare = 0.5;
  Ledger ledger;
  TempDir first_dir, second_dir;
  AttemptEnd first, second;
  const MonotonicTime begin = Clock::System()->Now();
  {
    DeviceTickets tickets({.share = kShare, .observer = &ledger});
    tickets.OnLevels(0, 0, 1, 0);
    LocalExecutor executor({.command = {"/proc/self/exe", "trainer"},
                            .nice = 0,
                            .tickets = &tickets,
                            .tickets_for_all = true});
    const auto one =
        executor.Start(TinyRun(first_dir.path(), SampleText(20000)), &first);
    const auto two =
        executor.Start(TinyRun(second_dir.path(), SampleText(20000)), &second);
    ASSERT_TRUE(one.ok() && two.ok());
    EXPECT_EQ(first.WaitForEnd(), absl::OkStatus());
    EXPECT_EQ(second.WaitForEnd(), absl::OkStatus());
  }
  EXPECT_EQ(ledger.tickets, ledger.slices);
  EXPECT_GT(ledger.slices, 2 * 24 * kSlicesOfAStep);
  EXPECT_GT(ledger.seconds, 0);
  EXPECT_LE(ledger.seconds, kShare * Seconds(Clock::System()->Now() - begin));
}

}  // namespace
}  // namespace strata
