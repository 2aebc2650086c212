#pragma once
// ComputePool: a thread for calls that compute (Classify, Embed, Inspect), so that gRPC's
// own threads never do; in order of arrival. What waits is bounded by calls and by
// bytes. Thread-safe.

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/task_pool.h"

namespace strata {

class ComputePool {
 public:
  ComputePool(int64_t max_calls, int64_t max_bytes)
      : max_calls_(max_calls), max_bytes_(max_bytes) {}

  // A place among the waiting, until it is destroyed. The pool outlives it.
  class Place {
   public:
    Place(ComputePool* pool, int64_t bytes) : pool_(pool), bytes_(bytes) {}
    ~Place() { pool_->Release(bytes_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    ComputePool* const pool_;
    const int64_t bytes_;
  };

  // `bytes`: of what the call holds until it runs. RESOURCE_EXHAUSTED: QUEUE_FULL.
  absl::StatusOr<std::unique_ptr<Place>> Reserve(int64_t bytes);
  // OK: `task` will run, once. UNAVAILABLE: DRAINING, after Stop.
  absl::Status Run(std::function<void()> task);
  // False when tasks are left at `deadline`.
  bool WaitUntilNone(MonotonicTime deadline) {
    return live_.WaitUntilNone(deadline);
  }
  void Stop() { pool_.Stop(); }

 private:
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
