#include "server/rpc/live_calls.h"

namespace strata {

void LiveCalls::Begin() {
  MutexLock lock(&mu_);
  ++live_;
}

void LiveCalls::End() {
  MutexLock lock(&mu_);
  if (--live_ > 0) return;
  ++times_none_;
  none_.SignalAll();
}

bool LiveCalls::WaitUntilNone(MonotonicTime deadline) {
  MutexLock lock(&mu_);
  const int64_t before = times_none_;
  while (live_ > 0 && times_none_ == before) {
    if (!none_.WaitUntil(&mu_, deadline)) break;
  }
  return live_ == 0 || times_none_ != before;
}

}  // namespace strata
