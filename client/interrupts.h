#pragma once
// Ctrl-C as a callback on an ordinary thread, where locks and gRPC calls are
// allowed. Without a handler, or at the second Ctrl-C, the process ends with
// code 130 as if nothing had caught the signal.

#include <functional>

namespace strata {

inline constexpr int kInterruptedExitCode = 130;

// Call first in main, before any other thread exists.
void InstallInterrupts();

// While it lives, Ctrl-C calls `handler` once, on another thread; the
// destructor waits for a handler that is running. One at a time.
class ScopedInterruptHandler {
 public:
  explicit ScopedInterruptHandler(std::function<void()> handler);
  ~ScopedInterruptHandler();
  ScopedInterruptHandler(const ScopedInterruptHandler&) = delete;
  ScopedInterruptHandler& operator=(const ScopedInterruptHandler&) = delete;
};

}  // namespace strata
