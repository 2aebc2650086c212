#pragma once
// EngineCore: what the engine and its workers share: options, the queue, the
// observer, and the one way in which a request ends. Thread-safe.

#include <atomic>
#include <chrono>
#include <cstdint>

#include "server/engine/admission_queue.h"
#include "server/engine/ending.h"
#include "server/engine/engine.h"
#include "server/engine/live_request.h"
#include "server/engine/observer.h"
#include "server/engine/prefix_cache.h"

namespace strata {

inline constexpr int kFaultsInARow = 3;
inline constexpr MonotonicDuration kFaultMemory = std::chrono::seconds(30);

class EngineCore {
 public:
  explicit EngineCore(const EngineOptions& options);
  ~EngineCore();  // REQUIRES: no worker is left

  // Ends a request that the caller has taken out of the queue or runs; its
  // sequence is gone by then. Frees the slot, the state, the id and the pinned
  // version, then tells the sink. Of several samples that run, ends one: the last
  // frees the id and is followed by OnDone; a failure makes the others end too, at
  // the next step boundary. No lock is held.
  void End(LiveRequestPtr live, const Ending& ending);

  // Tells the observer the levels of now, in an order that leaves the newest
  // ones last although nobody holds a lock meanwhile.
  void PublishLevels();

  MonotonicTime Now() const { return options_.clock->Now(); }
  const EngineOptions& options() const { return options_; }
  EngineObserver& observer() { return *observer_; }
  AdmissionQueue& queue() { return queue_; }
  PrefixCache& prefixes() { return prefixes_; }
  // A worker's executor has failed kFaultsInARow steps in a row, and again now.
  void OnRepeatedFault() {
    last_repeated_fault_ = Now().time_since_epoch().count();
  }
  bool Failing() const;
  // Requests that were cut by a drain so far.
  int64_t cut_count() const { return cut_count_; }

 private:
  // What a finish says, to the sink: once for each sample that it stands for.
  static void Report(const LiveRequest& live, const Ending& ending);
  void Observe(const LiveRequest& live, const Ending& ending);

  const EngineOptions options_;
  EngineObserver no_observer_;
  EngineObserver* const observer_;
  PrefixCache prefixes_;
  AdmissionQueue queue_;
  std::atomic<int> unpublished_{0};
  std::atomic<int64_t> cut_count_{0};
  // Of the clock; kNever before the first.
  static constexpr int64_t kNever = INT64_MIN;
  std::atomic<int64_t> last_repeated_fault_{kNever};
};

}  // namespace strata
