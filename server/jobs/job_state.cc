// The one table of job states: names, ends and legal transitions.

#include <algorithm>
#include <iterator>

#include "server/jobs/job.h"

namespace strata {
namespace {

struct Row {
  JobState state;
  const char* name;
};

constexpr Row kNames[] = {
    {JobState::kValidating, "VALIDATING"}, {JobState::kQueued, "QUEUED"},
    {JobState::kStarting, "STARTING"},     {JobState::kRunning, "RUNNING"},
    {JobState::kFinalizing, "FINALIZING"}, {JobState::kSucceeded, "SUCCEEDED"},
    {JobState::kPausing, "PAUSING"},       {JobState::kPaused, "PAUSED"},
    {JobState::kCancelling, "CANCELLING"}, {JobState::kCancelled, "CANCELLED"},
    {JobState::kFailed, "FAILED"},
};

struct Edge {
  JobState from;
  JobState to;
};

constexpr Edge kEdges[] = {
    // The straight way.
    {JobState::kValidating, JobState::kQueued},
    {JobState::kQueued, JobState::kStarting},
    {JobState::kStarting, JobState::kRunning},
    {JobState::kRunning, JobState::kFinalizing},
    {JobState::kFinalizing, JobState::kSucceeded},
    // Pause; a save that fails takes the job back to RUNNING.
    {JobState::kRunning, JobState::kPausing},
    {JobState::kPausing, JobState::kPaused},
    {JobState::kPausing, JobState::kRunning},
    {JobState::kPaused, JobState::kQueued},
    // Cancel: at once where no attempt runs, else by way of CANCELLING.
    {JobState::kValidating, JobState::kCancelled},
    {JobState::kQueued, JobState::kCancelled},
    {JobState::kPaused, JobState::kCancelled},
    {JobState::kStarting, JobState::kCancelling},
    {JobState::kRunning, JobState::kCancelling},
    {JobState::kPausing, JobState::kCancelling},
    {JobState::kCancelling, JobState::kCancelled},
    // The attempt ended early: another one later.
    {JobState::kStarting, JobState::kQueued},
    {JobState::kRunning, JobState::kQueued},
    {JobState::kFinalizing, JobState::kQueued},
    // No further attempt would help.
    {JobState::kValidating, JobState::kFailed},
    {JobState::kStarting, JobState::kFailed},
    {JobState::kRunning, JobState::kFailed},
    {JobState::kPausing, JobState::kFailed},
    {JobState::kFinalizing, JobState::kFailed},
};

}  // namespace

absl::string_view JobStateName(JobState state) {
  for (const Row& row : kNames) {
    if (row.state == state) return row.name;
  }
  return "UNKNOWN";
}

std::optional<JobState> ParseJobState(absl::string_view name) {
  for (const Row& row : kNames) {
    if (row.name == name) return row.state;
  }
  return std::nullopt;
}

bool IsTerminal(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kCancelled ||
         state == JobState::kFailed;
}

bool HasAttempt(JobState state) {
  return state == JobState::kStarting || state == JobState::kRunning ||
         state == JobState::kFinalizing || state == JobState::kPausing ||
         state == JobState::kCancelling;
}

bool IsLegalTransition(JobState from, JobState to) {
  return std::any_of(std::begin(kEdges), std::end(kEdges),
                     [&](const Edge& e) { return e.from == from && e.to == to; });
}

}  // namespace strata
