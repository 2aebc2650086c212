#include "server/jobs/recovery.h"

#include <filesystem>
#include <vector>

#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/version_dir.h"
#include "server/jobs/event_payload.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr char kSlotLost[] = "SLOT_LOST";

// Edits `job`, whose attempt is gone, and appends attempt_ended.
void EndAttempt(const JobContext& context, bool server_lost, JobRecord* job,
                std::vector<JobEvent>* events) {
  const int64_t now_ms = context.NowMs();
  if (job->state == JobState::kFinalizing) job->phase = kPhasePublishing;
  if (job->phase != kPhasePublishing) job->phase.clear();
  if (server_lost && job->state != JobState::kCancelling &&
      job->state != JobState::kPausing) {
    return ApplyServerLoss(context.retry_limits(), now_ms, job, events);
  }
  events->push_back(ErrorEvent(kEventAttemptEnded,
                               server_lost ? kServerRestarted : kSlotLost,
                               "what ran the attempt is gone"));
  if (job->state == JobState::kCancelling) {
    job->state = JobState::kCancelled;
    job->phase.clear();
    job->finished_ms = now_ms;
  } else if (job->state == JobState::kPausing) {
    job->state = JobState::kPaused;
    job->phase.clear();
  } else {
    MadeProgress(job);
    job->state = JobState::kQueued;
    job->not_before_ms = now_ms;
  }
}

absl::Status Recover(JobContext* context, bool server_lost,
                     const JobRecord& orphan) {
  if (server_lost || orphan.state == JobState::kCancelling) {
    // Nobody may take a job for ended that still computes; and what a dead
    // server's trainer still does is lost, its input has ended.
    STRATA_RETURN_IF_ERROR(context->executor->WaitUntilGone(
        context->JobDir(orphan.id), Clock::System()->Now()));
  }
  bool recovered = false;
  const auto changed = context->Change(
      orphan.id, orphan.fence, Durability::kFull,
      [&](JobRecord* job, std::vector<JobEvent>* events) {
        // Its runner may have ended it since it was listed.
        if (!HasAttempt(job->state)) return absl::OkStatus();
        recovered = true;
        ++job->fence;  // should its attempt still write, it is refused
        EndAttempt(*context, server_lost, job, events);
        return absl::OkStatus();
      });
  if (changed.ok() && recovered) {
    context->AttemptEnded(server_lost ? kServerRestarted : kSlotLost);
  }
  return changed.status();
}

bool IsStale(const JobContext& context, const JobRecord& ended) {
  const int64_t keep_ms = context.options.keep_ended_ms;
  return keep_ms > 0 && context.NowMs() - ended.finished_ms >= keep_ms;
}

}  // namespace

absl::Status RecoverOrphans(
    JobContext* context, bool server_lost,
    const std::function<bool(absl::string_view)>& is_running) {
  STRATA_ASSIGN_OR_RETURN(
      const std::vector<JobRecord> orphans,
      context->store->Orphans(context->owner, context->NowMs()));
  for (const JobRecord& orphan : orphans) {
    if (is_running(orphan.id)) continue;
    const absl::Status status = Recover(context, server_lost, orphan);
    if (status.ok()) continue;
    // The others need not wait for this one; the next sweep tries again.
    Log(Severity::kError, "a job was not recovered",
        {{"job", orphan.id}, {"error", status.message()}});
  }
  return absl::OkStatus();
}

void SweepEndedJobs(const JobContext& context) {
  std::error_code error;
  for (fs::directory_iterator it(context.options.jobs_dir, error), end;
       !error && it != end; it.increment(error)) {
    const std::string dir = it->path().string();
    const auto job = context.store->Get(it->path().filename().string());
    if (!job.ok() || !IsTerminal(job->state)) continue;
    if (job->state == JobState::kSucceeded || IsStale(context, *job)) {
      context.RemoveWork(job->id);
    }
    RemoveTemporaries(dir);
    RemoveTemporaries(dir + "/checkpoints");
  }
}

}  // namespace strata
