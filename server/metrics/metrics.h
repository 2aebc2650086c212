#pragma once
// Metrics: every number that /metrics shows, fed by the observers of the engine
// and of the job machine. Families are made once, here; labels take values from
// fixed sets, never from what clients send. Thread-safe; an update is a few
// atomic operations.

#include <memory>
#include <string>

#include "server/engine/observer.h"
#include "server/jobs/observer.h"

namespace strata {

struct BuildInfo {
  std::string version;
  std::string compiler;
};

class Metrics final : public EngineObserver, public JobObserver {
 public:
  explicit Metrics(const BuildInfo& build);
  ~Metrics() override;

  // The text exposition format, 0.0.4.
  std::string Text() const;

  // EngineObserver
  void OnRejected(absl::string_view reason) override;
  void OnAdmitted(absl::string_view model, int64_t prompt_items) override;
  void OnStarted(double queue_seconds) override;
  void OnFirstItem(double seconds_since_arrival) override;
  void OnInterItem(double seconds) override;
  void OnItems(int64_t prompt_items, int64_t generated_items) override;
  void OnCancelled(RequestPhase phase) override;
  void OnDeadlineExceeded(RequestPhase phase) override;
  void OnEnded(absl::string_view outcome, double total_seconds) override;
  void OnStep(double seconds, int64_t decode_rows, int64_t prefill_items) override;
  void OnHeld(int64_t rows) override;
  void OnDrafts(int64_t guesses, int64_t accepted) override;
  void OnPrefixLookup(int64_t cached_items) override;
  void OnPrefixesEvicted(int64_t snapshots) override;
  void OnPrefixBytes(int64_t bytes) override;
  void OnLevels(int64_t queued_requests, int64_t queued_bytes, int64_t running,
                int64_t state_bytes) override;

  // JobObserver
  void OnJobStates(const std::map<JobState, int64_t>& counts) override;
  void OnTrainProgress(int64_t steps_delta, int64_t items_delta,
                       const TrainProgress& progress) override;
  void OnCheckpoint(int64_t bytes) override;
  void OnAttemptEnded(absl::string_view cause) override;
  void OnTicket(double wait_seconds) override;
  void OnSlice(double seconds) override;
  void OnTicketsWaiting(int64_t trainers) override;

  // From the RPC layer: `method` is one of ours, `code` a status code's name.
  void OnCall(absl::string_view method, absl::string_view code, double seconds);
  // Seen at scrape time.
  void SetReady(bool ready);
  void SetStateBudget(int64_t bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace strata
