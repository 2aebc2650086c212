#pragma once
// Engine: continuous batching over a pool of workers. See server/engine/README.md
// for the contract (who owns what, the invariants) and the path of a request.
//
// Submit either rejects at once or accepts; every accepted request gets exactly
// one OnDone. Workers (one thread each, owning a Generator per version) take
// arrivals, cancellations and expiries at each step boundary; the scheduler
// (pure policy) picks decode rows and how much prefill to mix in. A request
// reserves its whole state, by formula, before it starts. Thread-safe.

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/clock.h"
#include "model/generator.h"
#include "server/engine/observer.h"
#include "server/engine/request.h"

namespace strata {

struct EngineOptions {
  int workers = 1;
  int threads_per_worker = 1;
  int max_batch = 64;                   // sequences a worker steps together
  int64_t prefill_items_per_step = 512; // per worker, all prompts together
  int64_t phase_wait = 15;  // most steps a new stream is held; server/engine/phase.h
  // Guesses are made while at most so many streams of a worker decode; 0: never.
  int64_t draft_streams = 1;
  int64_t max_queued_requests = 1024;
  int64_t max_queued_bytes = 64 << 20;  // of prompts waiting in the queue
  int64_t state_memory_bytes = int64_t{4} << 30;  // all workers together
  // The budget is each worker's own instead: devices do not share their memory.
  bool state_memory_per_worker = false;
  // Of that budget, what snapshots of prefixes may take while no request wants
  // it; 0: none are kept.
  int64_t prefix_cache_bytes = 0;
  const Clock* clock = Clock::System();
  EngineObserver* observer = nullptr;   // may be null; outlives the engine
};

struct EngineLevels {
  int64_t queued_requests = 0;
  int64_t queued_bytes = 0;
  int64_t running = 0;       // streams: one for each sample of a request
  int64_t state_bytes = 0;   // of running requests
  int64_t cached_bytes = 0;  // of snapshots; the budget holds for both together
};

class Engine {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();  // Drain(now), then joins

  // OK: accepted, returns the number of requests ahead. Errors, with nothing
  // called on the sink:
  //   UNAVAILABLE         DRAINING
  //   RESOURCE_EXHAUSTED  QUEUE_FULL (requests or bytes)
  //   INVALID_ARGUMENT    CONTEXT_LENGTH_EXCEEDED: prompt + 1 item does not fit
  //                       the model's context, or its state not the budget
  //   ALREADY_EXISTS      the id is in use
  //   INVALID_ARGUMENT    anything else that is out of range; of samples at most
  //                       max_batch, as they run on one worker
  // The sink may be called, even to the end, before Submit returns.
  // The reason is attached with SetErrorReason (server/engine/error_reason.h).
  absl::StatusOr<int64_t> Submit(EngineRequest request);

  // Marks a request; it ends with CANCELLED within one step. NOT_FOUND. One that
  // is still queued ends at once: OnDone comes before Cancel returns, on this
  // thread, so the caller must hold no lock that its sink takes.
  absl::Status Cancel(absl::string_view id);

  // From now on Submit answers DRAINING. Returns once every admitted request
  // ended, or at `deadline`, when the rest are ended with UNAVAILABLE.
  // True if nothing had to be cut. A second call, from any thread, may shorten
  // the deadline. A step in progress at the deadline is waited for.
  bool Drain(MonotonicTime deadline);

  // Makes idle workers let go of versions that nobody references any more, of
  // their executors and of the snapshots of prefixes. For after a change in the
  // registry.
  void ReleaseUnused();

  // False when a worker is stuck in one step for longer than `limit`.
  bool Healthy(MonotonicDuration limit) const;

  // True for kFaultMemory after a worker's executor failed kFaultsInARow steps or
  // more, one after another: what is sent here now would most likely fail too.
  bool Failing() const;

  EngineLevels levels() const;
  const EngineOptions& options() const { return options_; }

 private:
  struct Impl;
  const EngineOptions options_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace strata
