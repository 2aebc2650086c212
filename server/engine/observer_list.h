#pragma once
// EngineObserverList: tells several observers what it is told, in their order.
// Thread-safe if they are.

#include <utility>
#include <vector>

#include "server/engine/observer.h"

namespace strata {

class EngineObserverList final : public EngineObserver {
 public:
  // They outlive the list.
  explicit EngineObserverList(std::vector<EngineObserver*> observers)
      : observers_(std::move(observers)) {}

  void OnRejected(absl::string_view reason) override {
    Tell(&EngineObserver::OnRejected, reason);
  }
  void OnAdmitted(absl::string_view model, int64_t prompt_items) override {
    Tell(&EngineObserver::OnAdmitted, model, prompt_items);
  }
  void OnStarted(double queue_seconds) override {
    Tell(&EngineObserver::OnStarted, queue_seconds);
  }
  void OnFirstItem(double seconds_since_arrival) override {
    Tell(&EngineObserver::OnFirstItem, seconds_since_arrival);
  }
  void OnInterItem(double seconds) override {
    Tell(&EngineObserver::OnInterItem, seconds);
  }
  void OnItems(int64_t prompt_items, int64_t generated_items) override {
    Tell(&EngineObserver::OnItems, prompt_items, generated_items);
  }
  void OnCancelled(RequestPhase phase) override {
    Tell(&EngineObserver::OnCancelled, phase);
  }
  void OnDeadlineExceeded(RequestPhase phase) override {
    Tell(&EngineObserver::OnDeadlineExceeded, phase);
  }
  void OnEnded(absl::string_view outcome, double total_seconds) override {
    Tell(&EngineObserver::OnEnded, outcome, total_seconds);
  }
  void OnStep(double seconds, int64_t decode_rows, int64_t prefill_items) override {
    Tell(&EngineObserver::OnStep, seconds, decode_rows, prefill_items);
  }
  void OnHeld(int64_t rows) override { Tell(&EngineObserver::OnHeld, rows); }
  void OnDrafts(int64_t guesses, int64_t accepted) override {
    Tell(&EngineObserver::OnDrafts, guesses, accepted);
  }
  void OnPrefixLookup(int64_t cached_items) override {
    Tell(&EngineObserver::OnPrefixLookup, cached_items);
  }
  void OnPrefixesEvicted(int64_t snapshots) override {
    Tell(&EngineObserver::OnPrefixesEvicted, snapshots);
  }
  void OnPrefixBytes(int64_t bytes) override {
    Tell(&EngineObserver::OnPrefixBytes, bytes);
  }
  void OnLevels(int64_t queued_requests, int64_t queued_bytes, int64_t running,
                int64_t state_bytes) override {
    Tell(&EngineObserver::OnLevels, queued_requests, queued_bytes, running, state_bytes);
  }

 private:
  template <typename... Values>
  void Tell(void (EngineObserver::*what)(Values...), Values... values) {
    for (EngineObserver* const observer : observers_) (observer->*what)(values...);
  }

  const std::vector<EngineObserver*> observers_;
};

}  // namespace strata
