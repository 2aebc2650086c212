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

constexpr char kCode[] = "SERVER_RESTARTED";
constexpr char kMessage[] = "the server that ran the attempt is gone";

absl::Status Recover(JobContext* context, const JobRecord& orphan) {
  if (orphan.state == JobState::kCancelling) {
    // Nobody may take a job for cancelled that still computes.
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
        events->push_back(ErrorEvent(kEventAttemptEnded, kCode, kMessage));
        switch (job->state) {
          case JobState::kCancelling:
            job->state = JobState::kCancelled;
            job->phase.clear();
            job->finished_ms = context->NowMs();
            return absl::OkStatus();
          case JobState::kPausing:
            job->state = JobState::kPaused;
            job->phase.clear();
            return absl::OkStatus();
          case JobState::kFinalizing:
            job->phase = kPhasePublishing;
            break;
          default:
            if (job->phase != kPhasePublishing) job->phase.clear();
        }
        job->state = JobState::kQueued;
        job->not_before_ms = context->NowMs();
        if (job->checkpoint_step > job->attempt_base_step) {
          job->no_progress_attempts = 0;
        }
        return absl::OkStatus();
      });
  if (changed.ok() && recovered) context->AttemptEnded(kCode);
  return changed.status();
}

}  // namespace

absl::Status RecoverOrphans(
    JobContext* context,
    const std::function<bool(absl::string_view)>& is_running) {
  STRATA_ASSIGN_OR_RETURN(
      const std::vector<JobRecord> orphans,
      context->store->Orphans(context->owner, context->NowMs()));
  for (const JobRecord& orphan : orphans) {
    if (is_running(orphan.id)) continue;
    const absl::Status status = Recover(context, orphan);
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
    if (job->state == JobState::kSucceeded) {
      RemoveFolder(dir + "/checkpoints").IgnoreError();
    }
    RemoveTemporaries(dir);
    RemoveTemporaries(dir + "/checkpoints");
  }
}

}  // namespace strata
