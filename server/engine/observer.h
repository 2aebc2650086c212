#pragma once
// What the engine tells about itself. Implemented by server/metrics. Calls come
// from any thread and must not block.

#include <cstdint>

#include "absl/strings/string_view.h"

namespace strata {

enum class RequestPhase { kQueued, kPrefill, kDecode };

class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  // reason: QUEUE_FULL, CONTEXT_LENGTH_EXCEEDED, DRAINING, …
  virtual void OnRejected(absl::string_view reason) {}
  virtual void OnAdmitted(absl::string_view model, int64_t prompt_items) {}
  virtual void OnStarted(double queue_seconds) {}
  virtual void OnFirstItem(double seconds_since_arrival) {}
  virtual void OnInterItem(double seconds) {}
  virtual void OnItems(int64_t prompt_items, int64_t generated_items) {}
  virtual void OnCancelled(RequestPhase phase) {}
  virtual void OnDeadlineExceeded(RequestPhase phase) {}
  // outcome: eos, stop, max_tokens, context_limit, deadline, scored, cancelled,
  // deadline_exceeded, unavailable, error
  virtual void OnEnded(absl::string_view outcome, double total_seconds) {}
  virtual void OnStep(double seconds, int64_t decode_rows,
                      int64_t prefill_items) {}
  // So many new streams sat a step out, to come into phase (phase.h).
  virtual void OnHeld(int64_t rows) {}
  // So many guesses at what a stream says next were fed, and so many held.
  virtual void OnDrafts(int64_t guesses, int64_t accepted) {}
  // A request looked for its prompt in the prefix cache: how many of its items
  // need not be fed; 0: a miss.
  virtual void OnPrefixLookup(int64_t cached_items) {}
  virtual void OnPrefixesEvicted(int64_t snapshots) {}
  // Of all snapshots; after every change.
  virtual void OnPrefixBytes(int64_t bytes) {}
  // Current levels, after every change.
  virtual void OnLevels(int64_t queued_requests, int64_t queued_bytes,
                        int64_t running, int64_t state_bytes) {}
};

}  // namespace strata
