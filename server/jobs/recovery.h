#pragma once
// What an earlier process, or a slot that could not store the end of its
// attempt, left behind. Thread-compatible.

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/jobs/job_context.h"

namespace strata {

// Jobs whose attempt is gone go where the table of states sends them: QUEUED
// (from FINALIZING to be published without training again), CANCELLED, PAUSED.
// `is_running`: an attempt of this process, whatever its lease says.
absl::Status RecoverOrphans(
    JobContext* context,
    const std::function<bool(absl::string_view)>& is_running);

// Deletes the checkpoints of jobs that have succeeded.
void RemoveSpentCheckpoints(const JobContext& context);

}  // namespace strata
