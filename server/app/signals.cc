#include "server/app/signals.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "model/base/log.h"
#include "server/app/app.h"

namespace strata {
namespace {

sigset_t ShutdownSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

void Watch(MonotonicDuration limit) {
  const sigset_t set = ShutdownSignals();
  const MonotonicTime end = Clock::System()->Now() + limit;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
        end - Clock::System()->Now());
    if (left.count() <= 0) break;
    const timespec wait = {static_cast<time_t>(left.count() / 1'000'000'000),
                           static_cast<long>(left.count() % 1'000'000'000)};
    const int signal = sigtimedwait(&set, nullptr, &wait);
    if (signal > 0) {
      Log(Severity::kWarning, "second signal: leaving at once", {{"signal", signal}});
      _exit(128 + signal);
    }
  }
  Log(Severity::kError, "the shutdown hangs: leaving at once");
  _exit(1);
}

}  // namespace

void BlockSignals() {
  const sigset_t set = ShutdownSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool SignalPending() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGTERM) == 1 ||
         sigismember(&pending, SIGINT) == 1;
}

int WaitForSignal() {
  const sigset_t set = ShutdownSignals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  return signal;
}

void StartExitWatchdog(MonotonicDuration limit) {
  std::thread([limit] { Watch(limit); }).detach();
}

}  // namespace strata
