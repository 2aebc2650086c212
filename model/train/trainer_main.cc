#include "model/train/trainer_main.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "model/base/status_macros.h"
#include "model/trainer.h"
#include "model/trainer_wire.h"
#include "model/version_dir.h"

namespace strata {
namespace {

using Signal = TrainObserver::Signal;

struct Flags {
  std::string run_file;
  int events_fd = 1;
  int nice = 19;  // serving keeps its latency; idle cores are used in full
  bool tickets = false;
};

absl::StatusOr<Flags> ParseFlags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (i == 1 && name == "trainer") continue;  // the subcommand itself
    if (name == "--tickets") {
      flags.tickets = true;
      continue;
    }
    std::string value;
    const size_t equals = name.find('=');
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      return absl::InvalidArgumentError(absl::StrCat(name, " needs a value"));
    }
    bool ok = true;
    if (name == "--run") {
      flags.run_file = value;
    } else if (name == "--events-fd") {
      ok = absl::SimpleAtoi(value, &flags.events_fd) && flags.events_fd >= 0;
    } else if (name == "--nice") {
      ok = absl::SimpleAtoi(value, &flags.nice) && flags.nice >= 0;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown flag ", name));
    }
    if (!ok) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " is ", value, "; must be a number >= 0"));
    }
  }
  if (flags.run_file.empty()) {
    return absl::InvalidArgumentError("--run is missing");
  }
  return flags;
}

// Writes events. Thread-safe.
class EventWriter {
 public:
  explicit EventWriter(int fd) : fd_(fd) {}

  void Write(const TrainEvent& event) {
    MutexLock lock(&mu_);
    WriteLine(event);
  }

  // The last event, and the end of the process. No destructors: the watching
  // thread reads from std::cin, the training thread may be in the middle of a
  // step. What was being saved is garbage with a temporary name.
  [[noreturn]] void End(const absl::Status& status) {
    TrainEvent e;
    e.type = TrainEvent::Type::kEnded;
    e.status = status;
    MutexLock lock(&mu_);
    WriteLine(e);
    _exit(TrainerExitCode(status));
  }

 private:
  void WriteLine(const TrainEvent& event) STRATA_REQUIRES(mu_) {
    const std::string line = TrainEventToJson(event) + "\n";
    size_t done = 0;
    while (done < line.size()) {
      const ssize_t n = write(fd_, line.data() + done, line.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) _exit(kTrainerExitTemporary);  // nobody listens any more
      done += static_cast<size_t>(n);
    }
  }

  Mutex mu_;
  const int fd_;
};

// What standard input said, but for a cancel. Thread-safe.
class Orders {
 public:
  Signal signal() {
    MutexLock lock(&mu_);
    return signal_;
  }
  void Stop() {
    MutexLock lock(&mu_);
    signal_ = Signal::kCheckpointAndStop;
    cond_.SignalAll();
  }
  void Go() {
    MutexLock lock(&mu_);
    go_ = true;
    cond_.SignalAll();
  }
  // Waits for a "go", which it takes, for a stop, or until `deadline`.
  bool TakeGo(MonotonicTime deadline) {
    MutexLock lock(&mu_);
    while (!go_ && signal_ == Signal::kContinue) {
      if (deadline == MonotonicTime::max()) {
        cond_.Wait(&mu_);
      } else if (!cond_.WaitUntil(&mu_, deadline)) {
        break;
      }
    }
    return std::exchange(go_, false);
  }

 private:
  Mutex mu_;
  CondVar cond_;
  Signal signal_ STRATA_GUARDED_BY(mu_) = Signal::kContinue;
  bool go_ STRATA_GUARDED_BY(mu_) = false;
};

// Follows standard input for the life of the process. A cancel is answered here,
// whatever the training thread does: a step, a save or a load may take long, and
// nothing of it is wanted any more.
void WatchInput(Orders* orders, EventWriter* writer) {
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line == "cancel") writer->End(absl::CancelledError("cancelled by request"));
    if (line == "stop") orders->Stop();
    if (line == "go") orders->Go();
  }
  _exit(kTrainerExitTemporary);
}

class WireObserver : public TrainObserver {
 public:
  WireObserver(EventWriter* writer, Orders* orders, bool tickets)
      : writer_(writer), orders_(orders), tickets_(tickets) {}

  void SetHeartbeat(double seconds) {
    heartbeat_ = std::chrono::duration<double>(seconds);
    told_ = Clock::System()->Now();
  }

  void OnStarted(int64_t resumed_from_step, int threads,
                 absl::string_view environment_json) override {
    TrainEvent e;
    e.type = TrainEvent::Type::kStarted;
    e.resumed_from_step = resumed_from_step;
    e.threads = threads;
    e.environment_json = std::string(environment_json);
    Send(e);
  }

  void OnProgress(const TrainProgress& progress) override {
    TrainEvent e;
    e.type = TrainEvent::Type::kProgress;
    e.progress = progress;
    held_ = std::move(e);
    const MonotonicTime now = Clock::System()->Now();
    if (now >= next_progress_) {
      next_progress_ = now + std::chrono::milliseconds(100);
      Flush();
    }
  }

  void OnEval(const TrainEval& eval) override {
    TrainEvent e;
    e.type = TrainEvent::Type::kEval;
    e.eval = eval;
    Send(e);
  }

  void OnCheckpoint(int64_t step, absl::string_view path,
                    int64_t bytes) override {
    TrainEvent e;
    e.type = TrainEvent::Type::kCheckpoint;
    e.step = step;
    e.path = std::string(path);
    e.bytes = bytes;
    Send(e);
  }

  void OnWarning(absl::string_view code, absl::string_view message) override {
    TrainEvent e;
    e.type = TrainEvent::Type::kWarning;
    e.code = std::string(code);
    e.message = std::string(message);
    Send(e);
  }

  Signal Poll() override {
    if (heartbeat_.count() > 0 &&
        Clock::System()->Now() - told_ >= heartbeat_) {
      TrainEvent e;
      e.type = TrainEvent::Type::kAlive;
      Send(e);
    }
    return orders_->signal();
  }

  bool takes_tickets() const override { return tickets_; }

  // Goes on saying that it is alive: who waits for long is starved and does not hang.
  Signal BeginSlice() override {
    const Signal before = Poll();
    if (!tickets_ || before != Signal::kContinue) return before;
    TrainEvent e;
    e.type = TrainEvent::Type::kTicket;
    writer_->Write(e);
    while (true) {
      const bool go = orders_->TakeGo(NextBeat());
      const Signal signal = Poll();
      if (signal != Signal::kContinue) EndSlice(0);  // nor is it asked for any more
      if (go || signal != Signal::kContinue) return signal;
    }
  }

  void EndSlice(double seconds) override {
    TrainEvent e;
    e.type = TrainEvent::Type::kSlice;
    e.seconds = seconds;
    writer_->Write(e);
  }

  [[noreturn]] void End(const absl::Status& status) {
    Flush();
    writer_->End(status);
  }

 private:
  // Held progress first: events stay in the order of their steps.
  void Send(const TrainEvent& event) {
    Flush();
    Tell(event);
  }
  void Flush() {
    if (held_.has_value()) Tell(*held_);
    held_.reset();
  }
  void Tell(const TrainEvent& event) {
    writer_->Write(event);
    told_ = Clock::System()->Now();
  }

  MonotonicTime NextBeat() const {
    if (heartbeat_.count() <= 0) return MonotonicTime::max();
    return std::chrono::time_point_cast<MonotonicDuration>(told_ + heartbeat_);
  }

  EventWriter* const writer_;
  Orders* const orders_;
  const bool tickets_;
  std::optional<TrainEvent> held_;
  MonotonicTime next_progress_{};
  std::chrono::duration<double> heartbeat_{0};  // 0: none
  MonotonicTime told_{};
};

absl::StatusOr<TrainRun> ReadRun(const std::string& path) {
  STRATA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseTrainRun(text);
}

}  // namespace

int TrainerMain(int argc, char** argv, const TrainHooks& hooks) {
  const absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
  if (!flags.ok()) {
    std::cerr << "trainer: " << flags.status().message() << "\n";
    return kTrainerExitUserError;
  }
  signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write()
  setpriority(PRIO_PROCESS, 0, flags->nice);
  // Both outlive the watching thread, which ends with the process.
  static Orders orders;
  static EventWriter writer(flags->events_fd);
  std::thread(WatchInput, &orders, &writer).detach();

  WireObserver observer(&writer, &orders, flags->tickets);
  const absl::StatusOr<TrainRun> run = ReadRun(flags->run_file);
  if (run.ok()) observer.SetHeartbeat(run->heartbeat_seconds);
  const absl::Status status =
      run.ok() ? RunTrainingWithHooks(*run, &observer, hooks) : run.status();
  observer.End(status);
}

}  // namespace strata
