#pragma once
// How a request ends: the status of its OnDone, what comes right before it, and
// what metrics call it. Made by whoever ends the request, carried out by
// EngineCore::End.

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/engine/observer.h"
#include "server/engine/request.h"

namespace strata {

struct Ending {
  absl::Status status;
  absl::string_view outcome;  // see EngineObserver::OnEnded; a literal
  RequestPhase phase = RequestPhase::kQueued;
  // At most one of the two, and then the status is OK.
  std::optional<FinishInfo> finish;
  std::optional<std::vector<double>> scores;
};

Ending CancelledEnding(RequestPhase phase);
// The drain deadline passed.
Ending CutEnding(RequestPhase phase);
// The RPC's deadline passed, or the time limit of a score.
Ending DeadlineEnding(RequestPhase phase);
// A request that expired before it ran: its own time limit finishes a generation
// without output; the RPC's deadline, and any limit of a score, is an error.
Ending ExpiredInQueue(const EngineRequest& request, MonotonicTime now);
// A fault of the model: RESOURCE_EXHAUSTED stays, all else becomes INTERNAL.
Ending FaultEnding(RequestPhase phase, const absl::Status& fault);
Ending FinishedEnding(const FinishInfo& info);
Ending ScoredEnding(std::vector<double> scores);

}  // namespace strata
