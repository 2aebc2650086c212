#pragma once
// What the end of an attempt means for its job. Pure policy: no clock, no lock.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/jobs/job.h"

namespace strata {

struct AttemptVerdict {
  enum class Next {
    kRetry,
    kRetrySmaller,  // at half the micro-batch, once; then kFail
    kFail,
  };
  Next next = Next::kRetry;
  bool counts = true;  // as an attempt without progress, if it made none
  std::string code;    // WORKER_LOST, NON_FINITE, …
  bool waits = false;  // retry after a pause although it does not count
};

// `status` is what the attempt ended with, never OK. `asked`: it was told to
// checkpoint and stop.
AttemptVerdict JudgeTraining(const absl::Status& status, bool asked);
// As above, for an error of ModelRegistry::Publish.
AttemptVerdict JudgePublish(const absl::Status& status);

// base_ms * 2^(n-1) for the n-th attempt in a row without progress, at most 10
// minutes, of which the second half is random by (job, attempt): jobs that fell
// together do not come back together. Not the whole: attempts are few, and must
// outlast what troubles them.
int64_t RetryDelayMs(const JobRecord& job, int64_t base_ms);

// Edits the counters of `job`, whose attempt is gone, if that one left a new
// checkpoint: what was lost before is forgiven. Whether it did.
bool MadeProgress(JobRecord* job);

// How often the next attempt saves at least, whatever its spec says (0: as that
// says), after attempts or servers that fell without a new checkpoint: half the
// time with each, so that a job gets ahead of whatever kills it for reasons of its
// own before it is given up. When it saves changes no result: training goes back
// only to saves that its spec makes (model/train/checkpoint.h).
inline constexpr double kEarlySaveSeconds = 30;
double EarlySaveSeconds(const JobRecord& job);

struct RetryLimits {
  int max_attempts_without_progress = 3;
  int64_t retry_base_ms = 10'000;
  int max_lost_servers() const { return 2 * max_attempts_without_progress; }
};

// Edits `job` (QUEUED with a delay, or FAILED with the error) and appends
// attempt_ended, and failed if it is.
void ApplyVerdict(const AttemptVerdict& verdict, const std::string& message,
                  const RetryLimits& limits, int64_t now_ms, JobRecord* job,
                  std::vector<JobEvent>* events);

// As above, after a server that ended while it ran the attempt. A server that
// shuts down drains first, so this one crashed or was killed: perhaps by the
// job, perhaps not. So the first loss costs nothing, the next ones a delay, and
// twice as many are allowed as of attempts; a new checkpoint forgives them all.
inline constexpr char kServerRestarted[] = "SERVER_RESTARTED";
void ApplyServerLoss(const RetryLimits& limits, int64_t now_ms, JobRecord* job,
                     std::vector<JobEvent>* events);

}  // namespace strata
