// LocalExecutor between trainers that take tickets and what gives them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "model/base/mutex.h"
#include "server/jobs/local_executor.h"
#include "tests/testing/temp_dir.h"

namespace strata {
namespace {

class Listener final : public AttemptListener {
 public:
  void OnStarted(int64_t, int, const std::string&) override {}
  // A step: of trainer_child, once it has a ticket.
  void OnProgress(const TrainProgress& progress) override {
    MutexLock lock(&mu_);
    steps_ = progress.step;
    cond_.SignalAll();
  }
  void OnEval(const TrainEval&) override {}
  void OnCheckpoint(int64_t, const std::string&, int64_t) override {}
  void OnWarning(const std::string&, const std::string&) override {}
  void OnEnded(const absl::Status& status) override {
    MutexLock lock(&mu_);
    ended_ = true;
    status_ = status;
    cond_.SignalAll();
  }
  void WaitForStep() {
    MutexLock lock(&mu_);
    while (steps_ == 0) cond_.Wait(&mu_);
  }
  absl::Status WaitForEnd() {
    MutexLock lock(&mu_);
    while (!ended_) cond_.Wait(&mu_);
    return status_;
  }
  int64_t steps() {
    MutexLock lock(&mu_);
    return steps_;
  }

 private:
  Mutex mu_;
  CondVar cond_;
  int64_t steps_ = 0;
  bool ended_ = false;
  absl::Status status_;
};

class TrainerTicketsTest : public ::testing::Test {
 protected:
  LocalExecutorOptions Options(bool on_cpu) {
    LocalExecutorOptions options;
    options.command = {STRATA_TRAINER_CHILD};
    options.nice = 1;
    options.tickets = &tickets;
    options.tickets_on_cpu = on_cpu;
    return options;
  }
  std::unique_ptr<Attempt> Start(const std::string& mode, Listener* listener,
                                 const std::string& device = "cuda:0",
                                 bool on_cpu = false) {
    LocalExecutor executor(Options(on_cpu));
    TrainRun run;
    run.job_dir = dir / (mode + std::to_string(++runs_));
    std::filesystem::create_directories(run.job_dir);
    run.spec.model = mode;
    run.device = device;
    auto attempt = executor.Start(run, listener);
    EXPECT_TRUE(attempt.ok()) << attempt.status();
    return attempt.ok() ? *std::move(attempt) : nullptr;
  }

  TempDir dir;
  DeviceTickets tickets{{}};

 private:
  int runs_ = 0;
};

TEST_F(TrainerTicketsTest, ATrainerGetsWhatItAsksFor) {
  Listener one, two;
  const auto first = Start("slices", &one);
  const auto second = Start("slices", &two);
  EXPECT_EQ(one.WaitForEnd(), absl::OkStatus());
  EXPECT_EQ(two.WaitForEnd(), absl::OkStatus());
  EXPECT_EQ(one.steps(), 100);
  EXPECT_EQ(two.steps(), 100);
}

// `trainer_child` fails where it is not told to ask.
TEST_F(TrainerTicketsTest, OnTheCpuATrainerAsksWhereItIsToldTo) {
  Listener not_told, told;
  const auto first = Start("slices", &not_told, "cpu");
  EXPECT_TRUE(absl::IsFailedPrecondition(not_told.WaitForEnd()));
  const auto second = Start("slices", &told, "cpu", /*on_cpu=*/true);
  EXPECT_EQ(told.WaitForEnd(), absl::OkStatus());
}

TEST_F(TrainerTicketsTest, TheTicketOfAKilledTrainerComesBack) {
  Listener holder, waiter;
  const auto first = Start("hold", &holder);
  holder.WaitForStep();
  const auto second = Start("slices", &waiter);
  first->Kill();
  EXPECT_TRUE(absl::IsUnavailable(holder.WaitForEnd()));
  EXPECT_EQ(waiter.WaitForEnd(), absl::OkStatus());
}

TEST_F(TrainerTicketsTest, ACancelReachesATrainerThatWaits) {
  Listener holder, waiter;
  const auto first = Start("hold", &holder);
  holder.WaitForStep();
  const auto second = Start("slices", &waiter);
  second->Signal(TrainObserver::Signal::kCancel);
  EXPECT_TRUE(absl::IsCancelled(waiter.WaitForEnd()));
  EXPECT_EQ(waiter.steps(), 0);
}

}  // namespace
}  // namespace strata
