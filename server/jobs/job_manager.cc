#include "server/jobs/job_manager.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/file_io.h"
#include "server/jobs/job_context.h"
#include "server/jobs/job_id.h"
#include "server/jobs/job_slots.h"
#include "server/jobs/recovery.h"
#include "server/jobs/submission.h"

namespace strata {

struct JobManager::Impl {
  Impl(JobManagerOptions options, JobStore* store, Executor* executor,
       DatasetStore* datasets, ModelRegistry* registry)
      : context(std::move(options), store, executor, datasets, registry),
        slots(&context) {}

  JobContext context;
  JobSlots slots;
};

JobManager::JobManager(JobManagerOptions options, JobStore* store,
                       Executor* executor, DatasetStore* datasets,
                       ModelRegistry* registry)
    : impl_(std::make_unique<Impl>(std::move(options), store, executor,
                                   datasets, registry)) {}

JobManager::~JobManager() { Stop(MonotonicTime::min()); }

absl::Status JobManager::Start() {
  const std::string& dir = impl_->context.options.jobs_dir;
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return ErrnoStatus(error.value(), "create folder", dir);
  STRATA_RETURN_IF_ERROR(RecoverOrphans(
      &impl_->context, /*server_lost=*/true,
      [](absl::string_view) { return false; }));
  SweepEndedJobs(impl_->context);
  impl_->context.Changed("");  // the first report of the states
  impl_->slots.Start();
  return absl::OkStatus();
}

absl::StatusOr<JobRecord> JobManager::Submit(
    const TrainSpec& spec, absl::string_view idempotency_key) {
  JobContext& context = impl_->context;
  const std::string hash = SpecHash(spec);
  if (!idempotency_key.empty()) {
    // Before all checks: the job of a repeated request stands, even if its
    // base or its data are gone by now.
    auto found = context.store->FindByKey(idempotency_key, hash);
    if (!absl::IsNotFound(found.status())) return found;
  }
  JobRecord job;
  STRATA_ASSIGN_OR_RETURN(
      job.spec, CheckSubmission(spec, context.options.trainer_threads,
                                *context.datasets, *context.registry,
                                context.options.datastore_memory));
  job.created_ms = context.NowMs();
  job.id = NewUuidV7(job.created_ms);
  job.idempotency_key = std::string(idempotency_key);
  STRATA_ASSIGN_OR_RETURN(JobRecord stored, context.store->Insert(job, hash));
  if (stored.id == job.id) {
    Log(Severity::kInfo, "job accepted",
        {{"job", job.id}, {"base", BaseName(job.spec)}, {"model", job.spec.model}});
    context.Changed(job.id);
    impl_->slots.Wake();
  }
  return stored;
}

absl::StatusOr<JobRecord> JobManager::Get(absl::string_view id) const {
  return impl_->context.store->Get(id);
}

absl::StatusOr<std::vector<JobRecord>> JobManager::List(
    absl::string_view after_id, int limit) const {
  return impl_->context.store->List(after_id, limit);
}

absl::StatusOr<JobRecord> JobManager::Cancel(absl::string_view id) {
  JobContext& context = impl_->context;
  const auto cancel = [&](JobRecord* job, std::vector<JobEvent>*) {
    if (job->state == JobState::kFinalizing) {
      return absl::FailedPreconditionError(absl::StrCat(
          "job ", job->id, " is being published; it cannot be cancelled"));
    }
    job->cancel_requested = true;
    if (job->state == JobState::kCancelling) return absl::OkStatus();
    if (HasAttempt(job->state)) {
      job->state = JobState::kCancelling;
      return absl::OkStatus();
    }
    job->state = JobState::kCancelled;
    job->phase.clear();
    job->finished_ms = context.NowMs();
    return absl::OkStatus();
  };
  STRATA_ASSIGN_OR_RETURN(
      JobRecord job, context.Change(id, /*fence=*/-1, Durability::kFull, cancel));
  if (job.state == JobState::kCancelling) impl_->slots.Cancel(job.id);
  return job;
}

absl::StatusOr<std::vector<JobEvent>> JobManager::Events(absl::string_view id,
                                                         int64_t after,
                                                         int limit) const {
  return impl_->context.store->Events(id, after, limit);
}

int64_t JobManager::Subscribe(absl::string_view id,
                              std::function<void()> wake) {
  return impl_->context.watchers.Subscribe(id, std::move(wake));
}

void JobManager::Unsubscribe(int64_t subscription) {
  impl_->context.watchers.Unsubscribe(subscription);
}

void JobManager::Stop(MonotonicTime deadline) {
  impl_->slots.Stop(deadline);
}

}  // namespace strata
