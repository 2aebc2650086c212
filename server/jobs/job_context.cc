#include "server/jobs/job_context.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/tokenizer.h"
#include "model/version_dir.h"
#include "server/jobs/job_id.h"

namespace strata {

JobContext::JobContext(JobManagerOptions options_in, JobStore* store_in,
                       Executor* executor_in, DatasetStore* datasets_in,
                       ModelRegistry* registry_in)
    : options(std::move(options_in)),
      store(store_in),
      executor(executor_in),
      datasets(datasets_in),
      registry(registry_in),
      owner(NewUuidV7(options.clock->WallMillis())) {}

absl::StatusOr<JobRecord> JobContext::Change(absl::string_view id,
                                             int64_t fence,
                                             Durability durability,
                                             const JobStore::Change& change) {
  JobState before = JobState::kQueued;
  auto job = store->Update(
      id, fence, durability,
      [&](JobRecord* record, std::vector<JobEvent>* events) {
        before = record->state;
        return change(record, events);
      });
  if (!job.ok()) return job;
  if (job->state != before) {
    Log(Severity::kInfo, "job changed",
        {{"job", job->id},
         {"state", JobStateName(job->state)},
         {"attempt", job->attempt},
         {"step", static_cast<long long>(job->progress.step)}});
    Changed(id);
  } else {
    watchers.Notify(id);
  }
  return job;
}

void JobContext::Changed(absl::string_view id) {
  watchers.Notify(id);
  if (options.observer == nullptr) return;
  MutexLock lock(&report_mu_);
  const auto counts = store->CountByState();
  if (counts.ok()) options.observer->OnJobStates(*counts);
}

std::string JobContext::JobDir(absl::string_view id) const {
  return absl::StrCat(options.jobs_dir, "/", id);
}

std::string JobContext::ResultDir(absl::string_view id) const {
  return absl::StrCat(JobDir(id), "/result");
}

void JobContext::RemoveWork(absl::string_view id) const {
  RemoveFolder(JobDir(id) + "/checkpoints").IgnoreError();
  RemoveFolder(ResultDir(id)).IgnoreError();
  RemoveFolder(absl::StrCat(JobDir(id), "/", kTokenizerFile)).IgnoreError();
}

RetryLimits JobContext::retry_limits() const {
  return RetryLimits{options.max_attempts_without_progress,
                     options.retry_base_ms};
}

void JobContext::AttemptEnded(absl::string_view cause) const {
  if (options.observer == nullptr) return;
  options.observer->OnAttemptEnded(absl::AsciiStrToLower(cause));
}

}  // namespace strata
