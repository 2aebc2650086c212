#include "server/jobs/local_executor.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/base/mutex.h"
#include "model/base/status_macros.h"
#include "model/trainer_wire.h"
#include "model/version_dir.h"
#include "server/jobs/child_process.h"
#include "server/jobs/child_record.h"

namespace strata {
namespace {

constexpr size_t kMaxLine = 1 << 20;
// How long a child may live on after it closed its events.
constexpr auto kSilentEndGrace = std::chrono::seconds(10);
// A killed process that stays this long hangs in the kernel.
constexpr auto kUnkillable = std::chrono::seconds(30);

void Deliver(const TrainEvent& event, AttemptListener* listener) {
  using Type = TrainEvent::Type;
  switch (event.type) {
    case Type::kStarted:
      return listener->OnStarted(event.resumed_from_step, event.threads,
                                 event.environment_json);
    case Type::kProgress:
      return listener->OnProgress(event.progress);
    case Type::kEval:
      return listener->OnEval(event.eval);
    case Type::kCheckpoint:
      return listener->OnCheckpoint(event.step, event.path, event.bytes);
    case Type::kWarning:
      return listener->OnWarning(event.code, event.message);
    case Type::kAlive:
      return listener->OnAlive();
    case Type::kTicket:
    case Type::kSlice:
      return;  // between the trainer and the tickets
    case Type::kEnded:
      return;  // told once the process is gone
  }
}

absl::Status StatusOfDeath(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal_number = WTERMSIG(wait_status);
    return absl::UnavailableError(absl::StrCat(
        "the trainer was killed by signal ", signal_number, " (",
        strsignal(signal_number), ")"));
  }
  return absl::UnavailableError(
      absl::StrCat("the trainer exited with code ", WEXITSTATUS(wait_status),
                   " without saying why"));
}

class LocalAttempt final : public Attempt {
 public:
  // `tickets`: null where the trainer takes none.
  LocalAttempt(const TrainRun& run, DeviceTickets* tickets, AttemptListener* listener)
      : job_dir_(run.job_dir),
        device_(run.device),
        tickets_(tickets),
        listener_(listener) {}

  ~LocalAttempt() override {
    Kill();
    if (thread_.joinable()) thread_.join();
  }

  // The thread that makes the child lives as long as it: the kernel's
  // parent-death signal follows the thread, not the process.
  absl::Status Start(const std::vector<std::string>& argv, int nice) {
    thread_ = std::thread([this, argv, nice] { Run(argv, nice); });
    MutexLock lock(&mu_);
    while (!launched_.has_value()) cond_.Wait(&mu_);
    return *launched_;
  }

  void Signal(TrainObserver::Signal signal) override {
    if (signal == TrainObserver::Signal::kContinue) return;
    Tell(signal == TrainObserver::Signal::kCancel ? "cancel" : "stop");
  }

  void Kill() override {
    MutexLock lock(&mu_);
    if (child_ != nullptr) child_->Kill();
  }

 private:
  void Tell(absl::string_view line) {
    MutexLock lock(&mu_);
    if (child_ != nullptr) child_->SendLine(line);
  }

  void Run(const std::vector<std::string>& argv, int nice) {
    absl::StatusOr<std::unique_ptr<ChildProcess>> child = Launch(argv, nice);
    {
      MutexLock lock(&mu_);
      launched_ = child.status();
      child_ = child.ok() ? child->get() : nullptr;
      cond_.SignalAll();
    }
    if (!child.ok()) return;
    if (tickets_ != nullptr) {
      seat_ = tickets_->Enter(device_, [this] { Tell("go"); });
    }
    const int wait_status = Follow(child->get());
    {
      MutexLock lock(&mu_);
      child_ = nullptr;
    }
    child->reset();
    seat_.reset();
    RemoveChildRecord(job_dir_);
    listener_->OnEnded(ended_.value_or(StatusOfDeath(wait_status)));
  }

  absl::StatusOr<std::unique_ptr<ChildProcess>> Launch(
      const std::vector<std::string>& argv, int nice) {
    STRATA_ASSIGN_OR_RETURN(auto child, ChildProcess::Spawn(argv, nice));
    // Named on disk before it runs a single instruction of its own.
    STRATA_ASSIGN_OR_RETURN(const ChildRecord record,
                            DescribeProcess(child->pid()));
    STRATA_RETURN_IF_ERROR(WriteChildRecord(job_dir_, record));
    STRATA_RETURN_IF_ERROR(child->Release());
    return child;
  }

  // Reads events until the child is gone; returns its wait status.
  int Follow(ChildProcess* child) {
    bool open = true;
    auto kill_at = MonotonicTime::max();
    while (true) {
      struct pollfd events = {open ? child->events_fd() : -1, POLLIN, 0};
      poll(&events, 1, open ? 200 : 10);
      const std::optional<int> gone = child->Reap();  // before the last read
      if (open && !ReadEvents(child->events_fd())) {
        open = false;
        kill_at = Clock::System()->Now() + kSilentEndGrace;
      }
      if (gone.has_value()) return *gone;
      if (Clock::System()->Now() > kill_at) child->Kill();
    }
  }

  // What is there now. False at the end of the stream.
  bool ReadEvents(int fd) {
    char buffer[1 << 14];
    while (true) {
      const ssize_t n = read(fd, buffer, sizeof(buffer));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno == EAGAIN;
      if (n == 0) return false;
      Feed(absl::string_view(buffer, static_cast<size_t>(n)));
    }
  }

  void Feed(absl::string_view bytes) {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      line_.append(bytes.data(), std::min(end, bytes.size()));
      if (end == absl::string_view::npos) break;
      OnLine();
      line_.clear();
      bytes.remove_prefix(end + 1);
    }
    if (line_.size() > kMaxLine) line_.clear();
  }

  void OnLine() {
    const absl::StatusOr<TrainEvent> event = ParseTrainEvent(line_);
    if (!event.ok()) {
      Log(Severity::kWarning, "an event of a trainer was not understood",
          {{"job_dir", job_dir_}, {"error", event.status().message()}});
      return;
    }
    if (ended_.has_value()) return;  // nothing comes after the last
    if (event->type == TrainEvent::Type::kEnded) ended_ = event->status;
    if (seat_ != nullptr && event->type == TrainEvent::Type::kTicket) seat_->Ask();
    if (seat_ != nullptr && event->type == TrainEvent::Type::kSlice) {
      seat_->Return(event->seconds);
    }
    Deliver(*event, listener_);
  }

  const std::string job_dir_;
  const std::string device_;
  DeviceTickets* const tickets_;
  AttemptListener* const listener_;
  // Of the attempt's thread.
  std::string line_;
  std::optional<absl::Status> ended_;
  std::unique_ptr<DeviceTickets::Seat> seat_;

  Mutex mu_;
  CondVar cond_;
  std::optional<absl::Status> launched_ STRATA_GUARDED_BY(mu_);
  ChildProcess* child_ STRATA_GUARDED_BY(mu_) = nullptr;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Attempt>> LocalExecutor::Start(
    const TrainRun& run, AttemptListener* listener) {
  const std::string run_file = run.job_dir + "/run.json";
  STRATA_RETURN_IF_ERROR(WriteFileAtomically(run_file, TrainRunToJson(run)));
  std::vector<std::string> argv = options_.command;
  for (const std::string& arg :
       {std::string("--run"), run_file, std::string("--events-fd"),
        absl::StrCat(ChildProcess::kEventsFd), std::string("--nice"),
        absl::StrCat(options_.nice)}) {
    argv.push_back(arg);
  }
  DeviceTickets* const tickets = TicketsFor(run);
  if (tickets != nullptr) argv.push_back("--tickets");
  auto attempt = std::make_unique<LocalAttempt>(run, tickets, listener);
  STRATA_RETURN_IF_ERROR(attempt->Start(argv, options_.nice));
  return std::unique_ptr<Attempt>(std::move(attempt));
}

DeviceTickets* LocalExecutor::TicketsFor(const TrainRun& run) const {
  return run.shares_device || options_.tickets_for_all ? options_.tickets : nullptr;
}

absl::Status LocalExecutor::WaitUntilGone(const std::string& job_dir,
                                          MonotonicTime kill_at) {
  const absl::StatusOr<ChildRecord> record = ReadChildRecord(job_dir);
  if (!record.ok()) {
    if (absl::IsNotFound(record.status())) return absl::OkStatus();
    Log(Severity::kWarning, "a child record cannot be read",
        {{"job_dir", job_dir}, {"error", record.status().message()}});
    return absl::OkStatus();  // its input has ended with the old server
  }
  std::optional<MonotonicTime> give_up_at;
  while (IsAlive(*record)) {
    const MonotonicTime now = Clock::System()->Now();
    if (now >= kill_at && !give_up_at.has_value()) {
      give_up_at = now + kUnkillable;
    }
    if (give_up_at.has_value() && now >= *give_up_at) {
      return absl::UnavailableError(
          absl::StrCat("process ", record->pid,
                       " of an earlier attempt cannot be ended"));
    }
    if (now >= kill_at) {
      kill(static_cast<pid_t>(-record->pid), SIGKILL);
      kill(static_cast<pid_t>(record->pid), SIGKILL);
    }
    poll(nullptr, 0, 20);
  }
  RemoveChildRecord(job_dir);
  return absl::OkStatus();
}

}  // namespace strata
