#include "server/jobs/child_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace strata {
namespace {

constexpr int kExitNoParent = 75;
constexpr int kExitNoExec = 127;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  void reset(int fd) { fd_ = fd; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Everything the child needs, made before fork: between fork and exec only
// async-signal-safe calls are allowed.
struct Launch {
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<std::string> strings;  // owns what is not in our environment
  int input = -1;
  int events = -1;
  int go = -1;
  int nice = 0;
  pid_t parent = 0;
};

void CloseFrom(int first) {
  if (close_range(first, ~0U, 0) == 0) return;
  for (int fd = first; fd < 65536; ++fd) close(fd);
}

// Moves `fd` out of the way of the numbers that the child is given.
int Lift(int fd) {
  return fd > ChildProcess::kEventsFd
             ? fd
             : fcntl(fd, F_DUPFD_CLOEXEC, ChildProcess::kEventsFd + 1);
}

void ResetSignals() {
  struct sigaction action;
  std::memset(&action, 0, sizeof(action));
  action.sa_handler = SIG_DFL;
  for (const int s : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1}) {
    sigaction(s, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void RunChild(const Launch& launch) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != launch.parent) _exit(kExitNoParent);
  const int input = Lift(launch.input);
  const int events = Lift(launch.events);
  const int go = Lift(launch.go);
  if (dup2(input, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
      dup2(events, ChildProcess::kEventsFd) < 0) {
    _exit(kExitNoExec);
  }
  // The parent's ends were copied too: without this the end of input would
  // never be seen.
  if (dup2(go, ChildProcess::kEventsFd + 1) < 0) _exit(kExitNoExec);
  CloseFrom(ChildProcess::kEventsFd + 2);
  char byte = 0;
  ssize_t n = 0;
  do {
    n = read(ChildProcess::kEventsFd + 1, &byte, 1);
  } while (n < 0 && errno == EINTR);
  if (n != 1) _exit(kExitNoParent);
  close(ChildProcess::kEventsFd + 1);
  ResetSignals();
  setpriority(PRIO_PROCESS, 0, launch.nice);
  execve(launch.argv[0], launch.argv.data(), launch.envp.data());
  _exit(kExitNoExec);
}

void FillEnvironment(Launch* launch) {
  for (char** e = environ; *e != nullptr; ++e) {
    if (!absl::StartsWith(*e, "OMP_WAIT_POLICY=")) launch->envp.push_back(*e);
  }
  // Spinning OpenMP threads would take the cores that serving needs.
  launch->strings.push_back("OMP_WAIT_POLICY=PASSIVE");
  launch->envp.push_back(launch->strings.back().data());
  launch->envp.push_back(nullptr);
}

absl::Status Failed(const char* what) {
  return absl::UnavailableError(absl::StrCat(
      "cannot start a trainer: ", what, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Spawn(
    const std::vector<std::string>& argv, int nice) {
  int input[2], events[2], go[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) != 0) {
    return Failed("socketpair");
  }
  Fd input_ours(input[0]), input_its(input[1]);
  if (pipe2(events, O_CLOEXEC) != 0) return Failed("pipe");
  Fd events_ours(events[0]), events_its(events[1]);
  if (pipe2(go, O_CLOEXEC) != 0) return Failed("pipe");
  Fd go_its(go[0]), go_ours(go[1]);
  fcntl(events_ours.get(), F_SETFL, O_NONBLOCK);

  Launch launch;
  for (const std::string& arg : argv) {
    launch.argv.push_back(const_cast<char*>(arg.c_str()));
  }
  launch.argv.push_back(nullptr);
  FillEnvironment(&launch);
  launch.input = input_its.get();
  launch.events = events_its.get();
  launch.go = go_its.get();
  launch.nice = nice;
  launch.parent = getpid();

  const pid_t pid = fork();
  if (pid < 0) return Failed("fork");
  if (pid == 0) RunChild(launch);
  setpgid(pid, pid);  // whichever of the two comes first
  return std::unique_ptr<ChildProcess>(
      new ChildProcess(pid, input_ours.release(), events_ours.release(),
                       go_ours.release()));
}

ChildProcess::ChildProcess(pid_t pid, int input, int events, int go)
    : pid_(pid), events_(events), go_(go), input_(input) {}

ChildProcess::~ChildProcess() {
  Kill();
  while (!Reap().has_value()) poll(nullptr, 0, 5);
  close(events_);
  if (go_ >= 0) close(go_);
  MutexLock lock(&mu_);
  close(input_);
}

absl::Status ChildProcess::Release() {
  // MSG_NOSIGNAL is for sockets; this pipe's reader cannot be gone unless the
  // child is, which SIGPIPE must not turn into our end.
  sigset_t pipe_signal, old;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
  const ssize_t n = write(go_, "g", 1);
  const int error = errno;
  if (n != 1 && error == EPIPE) {
    const struct timespec now = {0, 0};
    sigtimedwait(&pipe_signal, nullptr, &now);
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  close(std::exchange(go_, -1));
  errno = error;
  return n == 1 ? absl::OkStatus() : Failed("release");
}

void ChildProcess::SendLine(absl::string_view line) {
  const std::string text = absl::StrCat(line, "\n");
  MutexLock lock(&mu_);
  // A child that reads nothing has a full socket: it will be killed later.
  [[maybe_unused]] const ssize_t n =
      send(input_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ChildProcess::Kill() {
  MutexLock lock(&mu_);
  if (wait_status_.has_value()) return;  // the id may be another's by now
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
}

std::optional<int> ChildProcess::Reap() {
  MutexLock lock(&mu_);
  if (wait_status_.has_value()) return wait_status_;
  siginfo_t info;
  std::memset(&info, 0, sizeof(info));
  if (waitid(P_PID, pid_, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    if (errno == EINTR) return std::nullopt;
    wait_status_ = 0;  // someone else reaped it: how it ended is lost
    return wait_status_;
  }
  if (info.si_pid == 0) return std::nullopt;
  kill(-pid_, SIGKILL);  // the zombie keeps the group's number ours
  int status = 0;
  waitpid(pid_, &status, 0);
  wait_status_ = status;
  return wait_status_;
}

}  // namespace strata
