// LocalExecutor against a real child process.

#include "server/jobs/local_executor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/base/mutex.h"
#include "server/jobs/child_record.h"
#include "tests/testing/temp_dir.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Recorder final : public AttemptListener {
 public:
  void OnStarted(int64_t, int threads, const std::string&) override {
    MutexLock lock(&mu_);
    parent_ = threads;
    started_ = true;
    cond_.SignalAll();
  }
  void OnProgress(const TrainProgress& progress) override {
    MutexLock lock(&mu_);
    EXPECT_EQ(progress.step, ++steps_);
  }
  void OnEval(const TrainEval&) override {}
  void OnCheckpoint(int64_t, const std::string&, int64_t) override {}
  void OnWarning(const std::string&, const std::string&) override {}
  void OnAlive() override {
    MutexLock lock(&mu_);
    ++beats_;
  }
  void OnEnded(const absl::Status& status) override {
    MutexLock lock(&mu_);
    ++ends_;
    status_ = status;
    cond_.SignalAll();
  }
  void WaitForStart() {
    MutexLock lock(&mu_);
    while (!started_) cond_.Wait(&mu_);
  }
  absl::Status WaitForEnd() {
    MutexLock lock(&mu_);
    while (ends_ == 0) cond_.Wait(&mu_);
    return status_;
  }
  int ends() {
    MutexLock lock(&mu_);
    return ends_;
  }
  int beats() {
    MutexLock lock(&mu_);
    return beats_;
  }
  int steps() {
    MutexLock lock(&mu_);
    return steps_;
  }

 private:
  Mutex mu_;
  CondVar cond_;
  bool started_ = false;
  int parent_ = 0, steps_ = 0, beats_ = 0, ends_ = 0;
  absl::Status status_;
};

class LocalExecutorTest : public ::testing::Test {
 protected:
  LocalExecutorTest()
      : executor({{STRATA_TRAINER_CHILD}, /*nice=*/1}) {}

  std::unique_ptr<Attempt> Start(const std::string& mode) {
    TrainRun run;
    run.job_dir = dir.path();
    run.spec.model = mode;
    auto attempt = executor.Start(run, &recorder);
    EXPECT_TRUE(attempt.ok()) << attempt.status();
    return attempt.ok() ? *std::move(attempt) : nullptr;
  }
  ChildRecord Child() {
    const auto record = ReadChildRecord(dir.path());
    EXPECT_TRUE(record.ok()) << record.status();
    return record.value_or(ChildRecord());
  }

  TempDir dir;
  LocalExecutor executor;
  Recorder recorder;
};

TEST_F(LocalExecutorTest, EventsComeInOrderAndTheEndLast) {
  auto attempt = Start("talk");
  EXPECT_TRUE(recorder.WaitForEnd().ok());
  EXPECT_EQ(recorder.steps(), 1000);
  attempt.reset();
  EXPECT_EQ(recorder.ends(), 1);
  EXPECT_TRUE(absl::IsNotFound(ReadChildRecord(dir.path()).status()));
}

TEST_F(LocalExecutorTest, DeathsAreToldByTheirCause) {
  auto attempt = Start("crash");
  EXPECT_TRUE(absl::IsUnavailable(recorder.WaitForEnd()));
  EXPECT_THAT(std::string(recorder.WaitForEnd().message()), HasSubstr("signal"));
}

TEST_F(LocalExecutorTest, AnExitWithoutAWordIsUnavailable) {
  auto attempt = Start("exit");
  const absl::Status status = recorder.WaitForEnd();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("code 7"));
}

TEST_F(LocalExecutorTest, ASignOfLifeIsPassedOn) {
  auto attempt = Start("beat");
  EXPECT_TRUE(recorder.WaitForEnd().ok());
  EXPECT_EQ(recorder.beats(), 1);
}

TEST_F(LocalExecutorTest, WhatIsNotUnderstoodIsSkipped) {
  auto attempt = Start("garbage");
  EXPECT_TRUE(recorder.WaitForEnd().ok());
}

TEST_F(LocalExecutorTest, SignalsReachTheChild) {
  {
    auto attempt = Start("listen");
    attempt->Signal(TrainObserver::Signal::kCancel);
    EXPECT_TRUE(absl::IsCancelled(recorder.WaitForEnd()));
    attempt->Signal(TrainObserver::Signal::kCancel);  // of a dead child
    attempt->Kill();
  }
  Recorder second;
  TrainRun run;
  run.job_dir = dir.path();
  run.spec.model = "listen";
  auto attempt = executor.Start(run, &second);
  ASSERT_TRUE(attempt.ok());
  (*attempt)->Signal(TrainObserver::Signal::kCheckpointAndStop);
  EXPECT_TRUE(absl::IsAborted(second.WaitForEnd()));
}

TEST_F(LocalExecutorTest, DestructionEndsAChildThatDoesNotListen) {
  auto attempt = Start("deaf");
  recorder.WaitForStart();
  const ChildRecord child = Child();
  EXPECT_TRUE(IsAlive(child));
  EXPECT_NE(getpgid(static_cast<pid_t>(child.pid)), getpgid(0));
  attempt.reset();
  EXPECT_FALSE(IsAlive(child));
  EXPECT_TRUE(absl::IsUnavailable(recorder.WaitForEnd()));
  EXPECT_EQ(recorder.ends(), 1);
}

TEST_F(LocalExecutorTest, AGrandchildDoesNotKeepTheAttemptOpen) {
  auto attempt = Start("orphan");
  EXPECT_TRUE(recorder.WaitForEnd().ok());
}

TEST_F(LocalExecutorTest, TheChildHoldsNoDescriptorOfOurs) {
  // One that was not opened close-on-exec, as a library might.
  const int stray = open("/dev/null", O_RDONLY);
  ASSERT_GE(stray, 0);
  const int high = fcntl(stray, F_DUPFD, 100);
  auto attempt = Start("deaf");
  recorder.WaitForStart();
  const std::string fds = absl::StrCat("/proc/", Child().pid, "/fd");
  for (const auto& entry : fs::directory_iterator(fds)) {
    EXPECT_LE(std::stoi(entry.path().filename().string()), 3) << entry.path();
  }
  close(stray);
  close(high);
}

TEST_F(LocalExecutorTest, ACommandThatIsNotThereIsTold) {
  LocalExecutor none({{"/no/such/program"}, 1});
  TrainRun run;
  run.job_dir = dir.path();
  auto attempt = none.Start(run, &recorder);
  if (attempt.ok()) {
    EXPECT_TRUE(absl::IsUnavailable(recorder.WaitForEnd()));
  }
}

TEST_F(LocalExecutorTest, WaitUntilGoneKillsOnlyTheRecordedProcess) {
  EXPECT_TRUE(executor.WaitUntilGone(dir.path(), MonotonicTime::min()).ok());
  auto attempt = Start("deaf");
  recorder.WaitForStart();
  const ChildRecord child = Child();
  // A record of another process with the same id: nothing to wait for.
  ChildRecord stranger = child;
  ++stranger.start_ticks;
  ASSERT_TRUE(WriteChildRecord(dir.path(), stranger).ok());
  EXPECT_TRUE(executor.WaitUntilGone(dir.path(), MonotonicTime::min()).ok());
  EXPECT_TRUE(IsAlive(child));
  ASSERT_TRUE(WriteChildRecord(dir.path(), child).ok());
  EXPECT_TRUE(executor.WaitUntilGone(dir.path(), MonotonicTime::min()).ok());
  EXPECT_FALSE(IsAlive(child));
}

// The server is killed: its trainer ends, whether it listens or not.
TEST_F(LocalExecutorTest, TheChildOfAKilledServerEnds) {
  for (const char* mode : {"listen", "deaf"}) {
    const pid_t server = fork();
    if (server == 0) {
      TrainRun run;
      run.job_dir = dir.path();
      run.spec.model = mode;
      Recorder inner;
      auto attempt = executor.Start(run, &inner);
      if (!attempt.ok()) _exit(1);
      while (true) pause();
    }
    ASSERT_GT(server, 0);
    absl::StatusOr<ChildRecord> child = absl::NotFoundError("");
    while (!child.ok()) {
      std::this_thread::yield();
      child = ReadChildRecord(dir.path());
    }
    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    EXPECT_TRUE(executor.WaitUntilGone(dir.path(), MonotonicTime::max()).ok());
    EXPECT_FALSE(IsAlive(*child));
  }
}

}  // namespace
}  // namespace strata
