#include "client/interrupts.h"

#include <signal.h>
#include <unistd.h>

#include <thread>

#include "model/base/mutex.h"

namespace strata {
namespace {

Mutex handler_mu;
std::function<void()> handler STRATA_GUARDED_BY(handler_mu);

void WaitForSignals(sigset_t signals) {
  while (true) {
    int number = 0;
    if (sigwait(&signals, &number) != 0) continue;
    MutexLock lock(&handler_mu);
    if (!handler) _exit(kInterruptedExitCode);
    handler();
    handler = nullptr;
  }
}

}  // namespace

void InstallInterrupts() {
  struct sigaction action = {};
  // A background job of a shell ignores Ctrl-C: leave it so.
  if (sigaction(SIGINT, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread(WaitForSignals, signals).detach();
}

ScopedInterruptHandler::ScopedInterruptHandler(std::function<void()> new_handler) {
  MutexLock lock(&handler_mu);
  handler = std::move(new_handler);
}

ScopedInterruptHandler::~ScopedInterruptHandler() {
  MutexLock lock(&handler_mu);
  handler = nullptr;
}

}  // namespace strata
