#pragma once
// LiveCalls: how many calls are open, so that a shutdown ends with the last of
// them. gRPC's own Shutdown waits for every connection, and a client without a
// call need not even read that it is asked to leave. Thread-safe.

#include <cstdint>

#include "model/base/clock.h"
#include "model/base/mutex.h"

namespace strata {

class LiveCalls {
 public:
  // Begin where a call starts, End in its OnDone: by then all that was written,
  // its status too, is in the kernel.
  void Begin();
  void End();

  // False when calls are left at `deadline`. One moment without a call is enough:
  // those that come meanwhile do not make it wait for ever.
  bool WaitUntilNone(MonotonicTime deadline);

 private:
  Mutex mu_;
  CondVar none_;
  int64_t live_ STRATA_GUARDED_BY(mu_) = 0;
  int64_t times_none_ STRATA_GUARDED_BY(mu_) = 0;  // how often the last one ended
};

}  // namespace strata
