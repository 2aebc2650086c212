#pragma once
// LiveRequest: an accepted request from Submit to its OnDone, and the lease of
// what it occupies while it runs. Shared by the queue, the index of ids and the
// worker that runs it; whoever takes it out of the queue (or runs it) is the one
// that ends it, so that OnDone comes once.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "model/base/clock.h"
#include "server/engine/ending.h"
#include "server/engine/request.h"

namespace strata {

class AdmissionQueue;

// Batch slots of one worker and a part of the state budget; gives both back
// when destroyed. Movable; empty by default. The queue outlives it.
class SlotLease {
 public:
  SlotLease() = default;
  SlotLease(AdmissionQueue* queue, int worker, int slots, int64_t state_bytes)
      : queue_(queue),
        worker_(worker),
        slots_(slots),
        state_bytes_(state_bytes) {}
  SlotLease(SlotLease&& other) noexcept { *this = std::move(other); }
  SlotLease& operator=(SlotLease&& other) noexcept;
  ~SlotLease() { Release(); }

  void Release();
  // One slot of it, with so many bytes. REQUIRES: it has more than that.
  SlotLease SplitOff(int64_t state_bytes);
  int worker() const { return worker_; }

 private:
  friend class AdmissionQueue;
  AdmissionQueue* queue_ = nullptr;
  int worker_ = 0;
  int slots_ = 0;
  int64_t state_bytes_ = 0;
};

// What the samples of one request have in common.
struct SampleGroup {
  // Set by any thread; the worker looks at each step boundary.
  std::atomic<bool> cancelled{false};

  // Of the worker that runs it.
  bool split = false;  // the prompt is read, each sample has a row of its own
  int open = 1;        // rows, or the one that reads for all, that have not ended
  std::optional<Ending> failure;  // of the first that failed: all end with it
};

struct LiveRequest {
  // Immutable after Submit but for `items`, which grows while it runs.
  EngineRequest request;
  // Of the first sample until the prompt is read, then one each
  // (RunningRow::SplitOff).
  int sample = 0;
  std::shared_ptr<SampleGroup> group = std::make_shared<SampleGroup>();
  int64_t prompt_items = 0;
  int64_t capacity = 1;       // items that its sequence may hold
  // By the model's formula, for that capacity and all samples that run in it.
  int64_t state_bytes = 0;
  int64_t max_generated = 0;  // max_items, or what the context leaves of it
  std::optional<MonotonicTime> expires;  // the earlier of its two limits
  // The worker that should have it if that costs nothing: on its device lies a
  // prefix of the prompt. -1: they are all alike.
  int preferred_worker = -1;

  // Of AdmissionQueue, under its lock: the place in the queue.
  uint64_t ticket = 0;
  bool queued = false;

  // Of the worker that runs it.
  SlotLease lease;
};

using LiveRequestPtr = std::shared_ptr<LiveRequest>;

}  // namespace strata
