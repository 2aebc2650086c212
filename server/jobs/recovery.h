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
// (from FINALIZING to be published without training again), CANCELLED, PAUSED;
// or FAILED, when their servers keep ending (ApplyServerLoss).
// `is_running`: an attempt of this process, whatever its lease says.
// `server_lost`: an earlier process left them, not a slot of this one.
absl::Status RecoverOrphans(
    JobContext* context, bool server_lost,
    const std::function<bool(absl::string_view)>& is_running);

// In the folders of jobs that have ended: deletes checkpoints and result of those
// that have succeeded, or ended keep_ended_ms ago; and what killed writers left in
// any. (That of other jobs goes when their next attempt begins, which waits until
// the last one is gone.)
void SweepEndedJobs(const JobContext& context);

}  // namespace strata
