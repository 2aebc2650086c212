#pragma once
// What the job machine tells about itself. Implemented by server/metrics. Calls
// come from any thread and must not block.

#include <cstdint>
#include <map>

#include "server/jobs/job.h"

namespace strata {

class JobObserver {
 public:
  virtual ~JobObserver() = default;
  // Jobs per state, after every change.
  virtual void OnJobStates(const std::map<JobState, int64_t>& counts) {}
  virtual void OnTrainProgress(int64_t steps_delta, int64_t items_delta,
                               const TrainProgress& progress) {}
  virtual void OnCheckpoint(int64_t bytes) {}
  virtual void OnAttemptEnded(absl::string_view cause) {}
  // A trainer got the ticket of its device, so long after it had asked; a slice of
  // its work there is over, and took so long.
  virtual void OnTicket(double wait_seconds) {}
  virtual void OnSlice(double seconds) {}
  // So many trainers wait for a ticket; after every change.
  virtual void OnTicketsWaiting(int64_t trainers) {}
};

}  // namespace strata
