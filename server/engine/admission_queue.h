#pragma once
// AdmissionQueue: the one lock that submitters and workers meet at. It holds the
// bounded queue, the ids in use, how loaded each worker is, the state budget and
// the drain gate, and calls nobody but the clock while it is held: it is a leaf.
//
// The head of the queue waits for its state to fit and nothing overtakes it, so
// that a large request cannot starve. Thread-safe.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/engine/engine.h"
#include "server/engine/live_request.h"

namespace strata {

class AdmissionQueue {
 public:
  // `options` is copied; its clock outlives the queue.
  explicit AdmissionQueue(const EngineOptions& options);

  // Accepts, or says why not (see Engine::Submit). Returns the requests ahead.
  absl::StatusOr<int64_t> Push(LiveRequestPtr live);

  // Marks the request. One that was still queued is taken out and returned in
  // `removed`: the caller ends it. False: no such id.
  bool Cancel(absl::string_view id, LiveRequestPtr* removed);

  // What a worker gets at a step boundary.
  struct Intake {
    std::vector<LiveRequestPtr> arrivals;  // each with its lease
    std::vector<LiveRequestPtr> expired;   // out of the queue: the caller ends
    bool stop = false;
  };
  // With `wait` (nothing runs), blocks until there is something, until `patience`
  // is over, or until Wake.
  Intake Take(int worker, bool wait, std::optional<MonotonicDuration> patience);

  // Makes waiting workers return from Take.
  void Wake();

  // Frees the id; before OnDone, so that a client may reuse it then.
  void Forget(const LiveRequest& live);
  // After OnDone has returned.
  void Ended();

  void CloseGate();
  // True when no accepted request is left; false at the deadline.
  bool WaitUntilEmpty(std::optional<MonotonicTime> deadline);
  // From now on workers end what they run; the queued ones are returned, for the
  // caller to end.
  std::vector<LiveRequestPtr> Cut();
  bool cut() const { return cut_.load(std::memory_order_relaxed); }
  // Workers return once nothing runs. REQUIRES: empty.
  void Stop();

  // The worker begins a step (or another piece of work that must end soon).
  void Beat(int worker);
  // How long the worker that is longest in its present step has been there.
  MonotonicDuration LongestStep() const;

  EngineLevels levels() const;

 private:
  friend class SlotLease;
  struct WorkerState {
    int64_t running = 0;
    int64_t state_bytes = 0;
    uint64_t wakes_seen = 0;
    // Clock reading of the last Beat; kIdle while it waits. Atomic, because it
    // is set without the lock.
    std::atomic<int64_t> busy_since{kIdle};
  };
  static constexpr int64_t kIdle = INT64_MAX;

  void Release(int worker, int64_t state_bytes);
  LiveRequestPtr RemoveFromQueue(uint64_t ticket) STRATA_REQUIRES(mu_);
  bool MayTake(int worker, int64_t state_bytes) const STRATA_REQUIRES(mu_);
  bool Fits(int worker, int64_t state_bytes) const STRATA_REQUIRES(mu_);
  void Fill(int worker, Intake* intake) STRATA_REQUIRES(mu_);
  // Waits for a change, at most until `until` (real time) or the first expiry.
  void WaitForWork(std::optional<MonotonicTime> until) STRATA_REQUIRES(mu_);
  MonotonicTime RealTime(MonotonicTime t) const;
  MonotonicDuration InStep(const WorkerState& worker, MonotonicTime now) const;

  const EngineOptions options_;
  const std::unique_ptr<WorkerState[]> workers_;
  std::atomic<bool> cut_{false};

  mutable Mutex mu_;
  CondVar work_;   // waited for by idle workers
  CondVar empty_;  // waited for by Drain
  std::map<uint64_t, LiveRequestPtr> queue_ STRATA_GUARDED_BY(mu_);
  std::set<std::pair<MonotonicTime, uint64_t>> expiries_ STRATA_GUARDED_BY(mu_);
  std::unordered_map<std::string, LiveRequestPtr> ids_ STRATA_GUARDED_BY(mu_);
  EngineLevels levels_ STRATA_GUARDED_BY(mu_);
  int64_t live_ STRATA_GUARDED_BY(mu_) = 0;  // accepted, OnDone not returned
  uint64_t next_ticket_ STRATA_GUARDED_BY(mu_) = 1;
  uint64_t wakes_ STRATA_GUARDED_BY(mu_) = 0;
  bool gate_closed_ STRATA_GUARDED_BY(mu_) = false;
  bool stop_ STRATA_GUARDED_BY(mu_) = false;
};

}  // namespace strata
