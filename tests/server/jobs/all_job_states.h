#pragma once
// Every state that a job can be in, for tests that try them all.

#include "server/jobs/job.h"

namespace strata {

inline constexpr JobState kAllJobStates[] = {
    JobState::kValidating, JobState::kQueued,     JobState::kStarting,
    JobState::kRunning,    JobState::kFinalizing, JobState::kSucceeded,
    JobState::kPausing,    JobState::kPaused,     JobState::kCancelling,
    JobState::kCancelled,  JobState::kFailed};

}  // namespace strata
