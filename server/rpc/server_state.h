#pragma once
// ServerState: where the process is in its life, and what that means for
// admission and health. Thread-safe.

#include <atomic>

#include "absl/status/status.h"
#include "server/engine/error_reason.h"

namespace strata {

class ServerState {
 public:
  enum class Phase {
    kStarting,  // models are loading: not ready, calls get STARTING
    kServing,
    kLeaving,   // SIGTERM came: not ready, but calls are still admitted while
                // load balancers take notice
    kDraining,  // not ready, new calls get DRAINING
  };

  Phase phase() const { return phase_.load(std::memory_order_acquire); }
  void Set(Phase phase) { phase_.store(phase, std::memory_order_release); }
  bool ready() const { return phase() == Phase::kServing; }

  // Whether a call that starts new work is admitted.
  absl::Status Admit() const {
    switch (phase()) {
      case Phase::kStarting:
        return WithReason(
            absl::UnavailableError("the server is still loading its models"),
            "STARTING");
      case Phase::kDraining:
        return WithReason(absl::UnavailableError("the server is shutting down"),
                          "DRAINING");
      default:
        return absl::OkStatus();
    }
  }

 private:
  std::atomic<Phase> phase_{Phase::kStarting};
};

}  // namespace strata
