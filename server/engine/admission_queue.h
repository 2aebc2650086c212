#pragma once
// AdmissionQueue: the one lock that submitters and workers meet at. It holds the
// bounded queue, the ids in use, how loaded each worker is, the state budget and
// the drain gate, and calls nobody but the clock and the prefix cache, whose own
// lock is the leaf, while it is held.
//
// The head of the queue waits for its state to fit and nothing overtakes it, so
// that a large request cannot starve. Snapshots of prefixes take of the state
// budget what requests leave: a request that needs it gets it at once.
// Thread-safe.

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
#include "server/engine/prefix_cache.h"
#include "server/engine/snapshot.h"

namespace strata {

class AdmissionQueue {
 public:
  // `options` is copied; its clock outlives the queue, and so does `prefixes`.
  AdmissionQueue(const EngineOptions& options, PrefixCache* prefixes);

  // Accepts, or says why not (see Engine::Submit). Returns the requests ahead.
  absl::StatusOr<int64_t> Push(LiveRequestPtr live);

  // Marks the request. One that was still queued is taken out and returned in
  // `removed`: the caller ends it. False: no such id.
  bool Cancel(absl::string_view id, LiveRequestPtr* removed);

  // What a worker gets at a step boundary.
  struct Intake {
    std::vector<LiveRequestPtr> arrivals;  // each with its lease
    std::vector<LiveRequestPtr> expired;   // out of the queue: the caller ends
    // In the way of the next request: the caller frees them and takes again.
    std::vector<SnapshotPtr> evicted;
    bool woken = false;  // by Wake
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

  // Where a worker's states live: 0 for all, or, where the budget is each
  // worker's own, the worker. A snapshot is of use in its place alone.
  int PlaceOf(int worker) const {
    return options_.state_memory_per_worker ? worker : 0;
  }

  // Takes `bytes` for a snapshot, if requests leave them: neither those that run
  // nor the head of the queue may miss them. Otherwise false, and what has to go
  // first in `evicted`: the caller frees it and may ask again. If nothing would
  // help, `evicted` is empty. `slot`: of the request that leaves it; with
  // `hand_over` its sequence becomes the snapshot, and it keeps no state.
  bool ReserveSnapshot(SlotLease* slot, bool hand_over, int64_t bytes,
                       SnapshotLease* lease,
                       std::vector<SnapshotPtr>* evicted);
  // Puts it into the cache; returns it if these items are there already.
  SnapshotPtr Keep(const LiveRequest& live, int64_t items,
                   SnapshotPtr snapshot);

  void CloseGate();
  // True when no accepted request is left; false at the deadline.
  bool WaitUntilEmpty(std::optional<MonotonicTime> deadline);
  // From now on workers end what they run; the queued ones are returned, for the
  // caller to end.
  std::vector<LiveRequestPtr> Cut();
  bool cut() const { return cut_.load(std::memory_order_relaxed); }
  // Workers return once nothing runs. REQUIRES: empty.
  void Stop();

  // The worker begins a step (or another piece of work that must end soon): now, which
  // is returned.
  MonotonicTime Beat(int worker);
  // How long the worker that is longest in its present step has been there.
  MonotonicDuration LongestStep() const;

  EngineLevels levels() const;

 private:
  friend class SlotLease;
  friend class SnapshotLease;
  struct PlaceState {
    int64_t state_bytes = 0;
    int64_t cached_bytes = 0;
  };
  struct WorkerState {
    int64_t running = 0;
    uint64_t wakes_seen = 0;
    // Clock reading of the last Beat; kIdle while it waits. Atomic, because it
    // is set without the lock.
    std::atomic<int64_t> busy_since{kIdle};
  };
  static constexpr int64_t kIdle = INT64_MAX;

  void Release(int worker, int slots, int64_t state_bytes);
  void ReleaseSnapshot(int place, int64_t bytes);
  LiveRequestPtr RemoveFromQueue(uint64_t ticket) STRATA_REQUIRES(mu_);
  bool MayTake(int worker, const LiveRequest& live) const STRATA_REQUIRES(mu_);
  // Whether the worker that `live` prefers can have it, as soon and as well.
  bool LeaveToPreferred(int worker, const LiveRequest& live,
                        MonotonicTime now) const STRATA_REQUIRES(mu_);
  // Snapshots aside.
  bool Fits(int worker, int64_t state_bytes) const STRATA_REQUIRES(mu_);
  // Whether it fits now; evicts what is in the way.
  bool MakeRoom(int worker, int64_t state_bytes, Intake* intake)
      STRATA_REQUIRES(mu_);
  void Fill(int worker, Intake* intake) STRATA_REQUIRES(mu_);
  // Waits for a change, at most until `until` (real time) or the first expiry.
  void WaitForWork(std::optional<MonotonicTime> until) STRATA_REQUIRES(mu_);
  MonotonicTime RealTime(MonotonicTime t) const;
  MonotonicDuration InStep(const WorkerState& worker, MonotonicTime now) const;

  const EngineOptions options_;
  PrefixCache* const prefixes_;
  const std::unique_ptr<WorkerState[]> workers_;
  std::atomic<bool> cut_{false};

  mutable Mutex mu_;
  CondVar work_;   // waited for by idle workers
  CondVar empty_;  // waited for by Drain
  std::map<uint64_t, LiveRequestPtr> queue_ STRATA_GUARDED_BY(mu_);
  std::set<std::pair<MonotonicTime, uint64_t>> expiries_ STRATA_GUARDED_BY(mu_);
  std::unordered_map<std::string, LiveRequestPtr> ids_ STRATA_GUARDED_BY(mu_);
  std::vector<PlaceState> places_ STRATA_GUARDED_BY(mu_);
  EngineLevels levels_ STRATA_GUARDED_BY(mu_);
  int64_t live_ STRATA_GUARDED_BY(mu_) = 0;  // accepted, OnDone not returned
  uint64_t next_ticket_ STRATA_GUARDED_BY(mu_) = 1;
  uint64_t wakes_ STRATA_GUARDED_BY(mu_) = 0;
  bool gate_closed_ STRATA_GUARDED_BY(mu_) = false;
  bool stop_ STRATA_GUARDED_BY(mu_) = false;
};

}  // namespace strata
