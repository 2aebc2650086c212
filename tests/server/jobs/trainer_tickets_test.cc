// LocalExecutor between trainers that take tickets and what gives them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "server/jobs/local_executor.h"
#include "tests/testing/attempt_end.h"
#include "tests/testing/temp_dir.h"

namespace strata {
namespace {

class TrainerTicketsTest : public ::testing::Test {
 protected:
  LocalExecutorOptions Options(bool on_cpu) {
    LocalExecutorOptions options;
    options.command = {STRATA_TRAINER_CHILD};
    options.nice = 1;
    options.tickets = &tickets;
    options.tickets_for_all = on_cpu;
    return options;
  }
  std::unique_ptr<Attempt> Start(const std::string& mode, AttemptEnd* listener,
                                 const std::string& device = "cuda:0",
                                 bool on_cpu = false) {
    LocalExecutor executor(Options(on_cpu));
    TrainRun run;
    run.job_dir = dir / (mode + std::to_string(++runs_));
    std::filesystem::create_directories(run.job_dir);
    run.spec.model = mode;
    run.device = device;
    run.shares_device = device != "cpu";
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
  AttemptEnd one, two;
  const auto first = Start("slices", &one);
  const auto second = Start("slices", &two);
  EXPECT_EQ(one.WaitForEnd(), absl::OkStatus());
  EXPECT_EQ(two.WaitForEnd(), absl::OkStatus());
  EXPECT_EQ(one.steps(), 100);
  EXPECT_EQ(two.steps(), 100);
}

// `trainer_child` fails where it is not told to ask.
TEST_F(TrainerTicketsTest, OnTheCpuATrainerAsksWhereItIsToldTo) {
  AttemptEnd not_told, told;
  const auto first = Start("slices", &not_told, "cpu");
  EXPECT_TRUE(absl::IsFailedPrecondition(not_told.WaitForEnd()));
  const auto second = Start("slices", &told, "cpu", /*on_cpu=*/true);
  EXPECT_EQ(told.WaitForEnd(), absl::OkStatus());
}

TEST_F(TrainerTicketsTest, TheTicketOfAKilledTrainerComesBack) {
  AttemptEnd holder, waiter;
  const auto first = Start("hold", &holder);
  holder.WaitForStep();
  const auto second = Start("slices", &waiter);
  first->Kill();
  EXPECT_TRUE(absl::IsUnavailable(holder.WaitForEnd()));
  EXPECT_EQ(waiter.WaitForEnd(), absl::OkStatus());
}

TEST_F(TrainerTicketsTest, ACancelReachesATrainerThatWaits) {
  AttemptEnd holder, waiter;
  const auto first = Start("hold", &holder);
  holder.WaitForStep();
  const auto second = Start("slices", &waiter);
  second->Signal(TrainObserver::Signal::kCancel);
  EXPECT_TRUE(absl::IsCancelled(waiter.WaitForEnd()));
  EXPECT_EQ(waiter.steps(), 0);
}

}  // namespace
}  // namespace strata
