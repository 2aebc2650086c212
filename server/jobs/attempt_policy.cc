#include "server/jobs/attempt_policy.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/base/random.h"
#include "server/jobs/event_payload.h"

namespace strata {
namespace {

using Next = AttemptVerdict::Next;

constexpr int64_t kMaxDelayMs = 10 * 60 * 1000;

bool Says(const absl::Status& status, absl::string_view word) {
  return absl::StrContains(status.message(), word);
}

bool SaysDiskFull(const absl::Status& status) {
  return Says(status, "STORAGE_FULL") || Says(status, "No space left");
}

uint64_t HashOf(const std::string& text) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  return hash;
}

int64_t DelayMs(const JobRecord& job, int losses, int64_t base_ms) {
  const int doublings = std::clamp(losses - 1, 0, 20);
  const int64_t delay =
      std::min(kMaxDelayMs, std::min(base_ms, kMaxDelayMs) << doublings);
  const double u = RandomUniform(HashOf(job.id), 0, job.attempt);
  return delay / 2 + static_cast<int64_t>(u * static_cast<double>(delay) / 2);
}

void Fail(absl::string_view code, const std::string& message, int64_t now_ms,
          JobRecord* job, std::vector<JobEvent>* events) {
  job->state = JobState::kFailed;
  job->phase.clear();
  job->finished_ms = now_ms;
  job->error.code = std::string(code);
  job->error.message = message;
  events->push_back(ErrorEvent(kEventFailed, job->error.code,
                               job->error.message));
}

// False where it has been halved before, or is one row. The batch, and so the
// steps, stay as they are.
bool HalveMicroBatch(JobRecord* job, std::vector<JobEvent>* events) {
  if (job->micro_batch > 0 || job->spec.micro_batch < 2) return false;
  job->micro_batch = job->spec.micro_batch / 2;
  events->push_back(ErrorEvent(
      kEventWarning, "MICRO_BATCH_HALVED",
      absl::StrCat("out of memory at micro_batch ", job->spec.micro_batch,
                   "; trained on at ", job->micro_batch,
                   ", and no longer bit for bit as at the first")));
  return true;
}

}  // namespace

bool MadeProgress(JobRecord* job) {
  if (job->checkpoint_step <= job->attempt_base_step) return false;
  job->no_progress_attempts = 0;
  job->lost_servers = 0;
  return true;
}

double EarlySaveSeconds(const JobRecord& job) {
  const int losses = job.no_progress_attempts + job.lost_servers;
  if (losses == 0) return 0;
  // At 3.75 s, saving is still cheap beside training.
  return kEarlySaveSeconds / (1 << std::min(losses - 1, 3));
}

AttemptVerdict JudgeTraining(const absl::Status& status, bool asked) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return {Next::kFail, true,
              absl::StartsWith(status.message(), "spec.") ? "SPEC_INVALID"
                                                          : "DATASET_INVALID"};
    case absl::StatusCode::kFailedPrecondition:
      return {Next::kFail, true,
              Says(status, "NON_FINITE") ? "NON_FINITE"
              : Says(status, "LEAK")     ? "LEAK"
                                         : "FAILED_PRECONDITION"};
    case absl::StatusCode::kResourceExhausted:
      if (SaysDiskFull(status)) return {Next::kFail, true, "STORAGE_FULL"};
      return {Next::kRetrySmaller, /*counts=*/false, "OUT_OF_MEMORY",
              /*waits=*/true};
    case absl::StatusCode::kDataLoss:
      return {Next::kFail, true, "BASE_MODEL_MISSING"};
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnavailable:
      // Killed at the end of a drain is as good as stopped.
      if (asked) return {Next::kRetry, false, "DRAINED"};
      return {Next::kRetry, true, "WORKER_LOST"};
    case absl::StatusCode::kCancelled:
      return {Next::kRetry, !asked, asked ? "DRAINED" : "WORKER_LOST"};
    default:
      return {Next::kRetry, true, "INTERNAL"};
  }
}

AttemptVerdict JudgePublish(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      // Memory comes back; a disk that is full at the end is the user's to mend.
      if (SaysDiskFull(status)) return {Next::kFail, true, "STORAGE_FULL"};
      return {Next::kRetry, true, "OUT_OF_MEMORY"};
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return {Next::kFail, true, "PUBLISH_REFUSED"};
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kNotFound:
      return {Next::kRetry, true, "RESULT_CORRUPT"};
    default:
      return {Next::kRetry, true, "INTERNAL"};
  }
}

int64_t RetryDelayMs(const JobRecord& job, int64_t base_ms) {
  return DelayMs(job, job.no_progress_attempts, base_ms);
}

void ApplyVerdict(const AttemptVerdict& verdict, const std::string& message,
                  const RetryLimits& limits, int64_t now_ms, JobRecord* job,
                  std::vector<JobEvent>* events) {
  events->push_back(ErrorEvent(kEventAttemptEnded, verdict.code, message));
  // A datastore is built row by row as it is: memory may be there another time.
  const bool smaller = verdict.next == Next::kRetrySmaller;
  const bool as_it_is = smaller && BuildsDatastore(job->spec);
  const bool counts = verdict.counts || as_it_is;
  if (!MadeProgress(job) && counts) ++job->no_progress_attempts;
  const bool used_up =
      counts && job->no_progress_attempts >= limits.max_attempts_without_progress;
  const bool again = verdict.next == Next::kRetry || as_it_is ||
                     (smaller && HalveMicroBatch(job, events));
  if (again && !used_up) {
    job->state = JobState::kQueued;
    job->not_before_ms =
        counts || verdict.waits
            ? now_ms + RetryDelayMs(*job, limits.retry_base_ms)
            : now_ms;
    return;
  }
  Fail(verdict.code,
       !again ? message
              : absl::StrCat(job->no_progress_attempts,
                             " attempts in a row ended without a new checkpoint; "
                             "the last: ",
                             message),
       now_ms, job, events);
}

void ApplyServerLoss(const RetryLimits& limits, int64_t now_ms, JobRecord* job,
                     std::vector<JobEvent>* events) {
  events->push_back(ErrorEvent(kEventAttemptEnded, kServerRestarted,
                               "the server that ran the attempt is gone"));
  if (!MadeProgress(job)) ++job->lost_servers;
  if (job->lost_servers >= limits.max_lost_servers()) {
    return Fail(kServerRestarted,
                absl::StrCat(job->lost_servers,
                             " servers in a row ended while they ran this job, "
                             "without a new checkpoint"),
                now_ms, job, events);
  }
  job->state = JobState::kQueued;
  job->not_before_ms = now_ms;
  if (job->lost_servers > 1) {
    job->not_before_ms +=
        DelayMs(*job, job->lost_servers - 1, limits.retry_base_ms);
  }
}

}  // namespace strata
