#pragma once
// ComputePool: a thread for calls that compute (Classify, Embed), so that gRPC's
// own threads never do; in order of arrival. What waits is bounded by calls and by
// bytes. Thread-safe.

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/task_pool.h"

namespace strata {

class ComputePool {
 public:
  ComputePool(int64_t max_calls, int64_t max_bytes)
      : max_calls_(max_calls), max_bytes_(max_bytes) {}

  // OK: `task` will run, once. `bytes`: of what it holds until then.
  // RESOURCE_EXHAUSTED: QUEUE_FULL. UNAVAILABLE: DRAINING, after Stop.
  absl::Status Run(int64_t bytes, std::function<void()> task);
  // False when tasks are left at `deadline`.
  bool WaitUntilNone(MonotonicTime deadline) {
    return live_.WaitUntilNone(deadline);
  }
  void Stop() { pool_.Stop(); }

 private:
  absl::Status Reserve(int64_t bytes);
  void Release(int64_t bytes);

  const int64_t max_calls_;
  const int64_t max_bytes_;
  Mutex mu_;
  int64_t waiting_calls_ STRATA_GUARDED_BY(mu_) = 0;
  int64_t waiting_bytes_ STRATA_GUARDED_BY(mu_) = 0;
  LiveCalls live_;
  TaskPool pool_{1, SIZE_MAX};  // bounded here
};

}  // namespace strata
