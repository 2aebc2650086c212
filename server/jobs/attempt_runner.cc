#include "server/jobs/attempt_runner.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/file_io.h"
#include "model/version_dir.h"
#include "server/jobs/event_payload.h"
#include "server/jobs/submission.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr auto kOldChildGrace = milliseconds(5000);
constexpr double kHeartbeatSeconds = 10;  // or a quarter of the stall timeout
constexpr auto kStoreRetry = milliseconds(1000);

MonotonicTime RealNow() { return Clock::System()->Now(); }

}  // namespace

AttemptRunner::AttemptRunner(JobContext* context, JobRecord claimed, std::string device)
    : context_(context),
      claimed_(std::move(claimed)),
      device_(std::move(device)),
      events_(context, claimed_),
      heard_(RealNow()),
      renew_at_(RealNow() + milliseconds(kLeaseRenewMs)) {}

void AttemptRunner::RequestCancel() {
  MutexLock lock(&mu_);
  cancel_ = true;
  cond_.SignalAll();
}

void AttemptRunner::RequestDrain() {
  MutexLock lock(&mu_);
  drain_ = true;
  cond_.SignalAll();
}

void AttemptRunner::RequestKill() {
  MutexLock lock(&mu_);
  drain_ = true;
  kill_ = true;
  cond_.SignalAll();
}

bool AttemptRunner::drained() const {
  MutexLock lock(&mu_);
  return drain_;
}

void AttemptRunner::Run() {
  // A cancel may have come between the claim and now.
  const auto current = context_->store->Get(claimed_.id);
  if (current.ok() && current->state == JobState::kCancelling) RequestCancel();

  absl::Status status = Prepare();
  const bool finished = claimed_.phase == kPhasePublishing || ResultIsWhole();
  if (status.ok() && !finished) status = Train();
  events_.Flush();
  if (events_.fenced()) {
    Log(Severity::kWarning, "an attempt lost its job", {{"job", claimed_.id}});
    return context_->AttemptEnded("fenced");
  }
  if (!status.ok()) {
    AttemptVerdict verdict = JudgeTraining(status, drained());
    // A disk that is full when an attempt begins says nothing of the job: what
    // it has saved so far is worth a wait.
    if (!began_ && absl::IsResourceExhausted(status)) {
      verdict = {AttemptVerdict::Next::kRetry, /*counts=*/false, "STORAGE_FULL",
                 /*waits=*/true};
    }
    return StoreEnd(verdict, std::string(status.message()));
  }
  if (StoreFinalizing()) Publish();
}

absl::Status AttemptRunner::Prepare() {
  const std::string dir = context_->JobDir(claimed_.id);
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return ErrnoStatus(error.value(), "create folder", dir);
  STRATA_RETURN_IF_ERROR(
      context_->executor->WaitUntilGone(dir, RealNow() + kOldChildGrace));
  RemoveTemporaries(dir);
  RemoveTemporaries(dir + "/checkpoints");
  return WriteFileAtomically(dir + "/spec.json",
                             TrainSpecToJson(claimed_.spec));
}

bool AttemptRunner::ResultIsWhole() const {
  return ReadManifest(context_->ResultDir(claimed_.id), /*verify=*/true).ok();
}

absl::StatusOr<TrainRun> AttemptRunner::MakeRun() const {
  TrainRun run;
  run.job_dir = context_->JobDir(claimed_.id);
  run.spec = claimed_.spec;
  run.fence = claimed_.fence;
  run.micro_batch = claimed_.micro_batch;
  run.device = device_;
  const auto& decoding = context_->options.decode_devices;
  run.shares_device =
      std::find(decoding.begin(), decoding.end(), device_) != decoding.end();
  run.save_within_seconds = EarlySaveSeconds(claimed_);
  run.heartbeat_seconds = kHeartbeatSeconds;
  if (context_->options.stall_timeout_ms > 0) {
    run.heartbeat_seconds = std::min(
        kHeartbeatSeconds,
        static_cast<double>(context_->options.stall_timeout_ms) / 4000);
  }
  const auto base = FindBase(claimed_.spec, *context_->registry);
  if (!base.ok()) return absl::DataLossError(base.status().message());
  run.base_dir = base->dir;
  const auto dataset = context_->datasets->Get(claimed_.spec.dataset_sha256);
  if (absl::IsNotFound(dataset.status())) {
    return absl::InvalidArgumentError(dataset.status().message());
  }
  STRATA_RETURN_IF_ERROR(dataset.status());
  run.dataset_path = dataset->path;
  if (!claimed_.spec.tokenizer_sha256.empty()) {
    const auto tokenizer =
        context_->datasets->GetTokenizer(claimed_.spec.tokenizer_sha256);
    if (!tokenizer.ok()) {
      return absl::InvalidArgumentError(tokenizer.status().message());
    }
    run.tokenizer_path = tokenizer->path;
  }
  return run;
}

absl::Status AttemptRunner::Train() {
  STRATA_ASSIGN_OR_RETURN(const TrainRun run, MakeRun());
  {
    MutexLock lock(&mu_);
    if (cancel_) return absl::CancelledError("cancelled before it began");
    if (drain_) return absl::AbortedError("stopped before it began");
  }
  STRATA_ASSIGN_OR_RETURN(const std::unique_ptr<Attempt> attempt,
                          context_->executor->Start(run, this));
  began_ = true;
  return Supervise(attempt.get());
}

absl::Status AttemptRunner::Supervise(Attempt* attempt) {
  while (true) {
    const MonotonicTime wake = Tend(attempt, RealNow());
    MutexLock lock(&mu_);
    if (ended_.has_value()) return *ended_;
    // A request that came since Tend looked is not slept over.
    if ((cancel_ && !cancel_sent_) || (drain_ && !drain_sent_) ||
        (kill_ && kill_at_ == MonotonicTime::max())) {
      continue;
    }
    cond_.WaitUntil(&mu_, wake);
    if (ended_.has_value()) return *ended_;
  }
}

// Does what is due; returns when something is due next.
MonotonicTime AttemptRunner::Tend(Attempt* attempt, MonotonicTime now) {
  bool cancel = false, drain = false;
  MonotonicTime stalls_at;
  {
    MutexLock lock(&mu_);
    cancel = cancel_ && !cancel_sent_;
    drain = drain_ && !drain_sent_ && !cancel_;
    stalls_at = this->stalls_at();
    // Before it has begun it has nothing to save, and may need long to listen:
    // on a crowded host its priority is no match for the serving's.
    if (kill_ || ((cancel || drain) && !started_)) {
      kill_at_ = std::min(kill_at_, now);
    }
    drain_sent_ = drain_sent_ || drain_;
    cancel_sent_ = cancel_sent_ || cancel_;
  }
  if (cancel) {
    attempt->Signal(TrainObserver::Signal::kCancel);
    kill_at_ = std::min(
        kill_at_, now + milliseconds(context_->options.cancel_grace_ms));
  }
  if (drain) attempt->Signal(TrainObserver::Signal::kCheckpointAndStop);
  if (now >= renew_at_) RenewLease();
  events_.Flush(now);
  if (now >= kill_at_ || now >= stalls_at || events_.fenced()) {
    attempt->Kill();
    return now + milliseconds(100);  // until its end is told
  }
  return std::min({kill_at_, stalls_at, renew_at_, events_.flush_at()});
}

void AttemptRunner::RenewLease() {
  renew_at_ = RealNow() + milliseconds(kLeaseRenewMs);
  const absl::Status renewed = context_->store->RenewLease(
      claimed_.id, claimed_.fence, context_->NowMs() + kLeaseMs);
  if (renewed.ok()) return;
  Log(Severity::kWarning, "a lease was not renewed",
      {{"job", claimed_.id}, {"error", renewed.message()}});
  if (absl::IsAborted(renewed)) kill_at_ = RealNow();
}

MonotonicTime AttemptRunner::stalls_at() const {
  const int64_t limit = context_->options.stall_timeout_ms;
  return limit > 0 ? heard_ + milliseconds(limit) : MonotonicTime::max();
}

void AttemptRunner::Heard() {
  MutexLock lock(&mu_);
  heard_ = RealNow();
  cond_.SignalAll();  // flush_at may have come nearer
}

void AttemptRunner::OnStarted(int64_t resumed_from_step, int threads,
                              const std::string& environment_json) {
  {
    MutexLock lock(&mu_);
    started_ = true;
  }
  events_.Started(resumed_from_step, threads, environment_json);
  Heard();
}

void AttemptRunner::OnProgress(const TrainProgress& progress) {
  events_.Progress(progress);
  Heard();
}

void AttemptRunner::OnEval(const TrainEval& eval) {
  events_.Eval(eval);
  Heard();
}

void AttemptRunner::OnCheckpoint(int64_t step, const std::string& path,
                                 int64_t bytes) {
  events_.Checkpoint(step, path, bytes);
  Heard();
}

void AttemptRunner::OnWarning(const std::string& code,
                              const std::string& message) {
  events_.Warning(code, message);
  Heard();
}

void AttemptRunner::OnEnded(const absl::Status& status) {
  MutexLock lock(&mu_);
  ended_ = status;
  cond_.SignalAll();
}

// The end of an attempt must get into the store: while the disk is full or the
// file is locked, tries again until the drain is over. Then the lease expires,
// and the next process finds the job as it found this one.
bool AttemptRunner::StoreSurely(const JobStore::Change& change,
                                JobRecord* out) {
  while (true) {
    auto job = context_->Change(claimed_.id, claimed_.fence, Durability::kFull,
                                change);
    if (job.ok()) {
      if (out != nullptr) *out = *std::move(job);
      return true;
    }
    Log(Severity::kError, "the end of an attempt was not stored",
        {{"job", claimed_.id}, {"error", job.status().message()}});
    if (absl::IsAborted(job.status()) ||
        absl::IsFailedPrecondition(job.status())) {
      return false;
    }
    const MonotonicTime again = RealNow() + kStoreRetry;
    MutexLock lock(&mu_);
    while (!kill_ && RealNow() < again) cond_.WaitUntil(&mu_, again);
    if (kill_) return false;
  }
}

void AttemptRunner::StoreEnd(const AttemptVerdict& verdict,
                             const std::string& message) {
  std::string cause = verdict.code;
  StoreSurely(
      [&](JobRecord* job, std::vector<JobEvent>* events) {
        if (job->state == JobState::kCancelling) {
          cause = "CANCELLED";
          job->state = JobState::kCancelled;
          job->phase.clear();
          job->finished_ms = context_->NowMs();
          events->push_back(ErrorEvent(kEventAttemptEnded, cause, message));
          return absl::OkStatus();
        }
        if (verdict.code == "RESULT_CORRUPT" ||
            job->phase != kPhasePublishing) {
          job->phase.clear();
        }
        ApplyVerdict(verdict, message, context_->retry_limits(),
                     context_->NowMs(), job, events);
        return absl::OkStatus();
      },
      nullptr);
  if (cause == "CANCELLED") {
    // No attempt follows that would.
    RemoveTemporaries(context_->JobDir(claimed_.id));
    RemoveTemporaries(context_->JobDir(claimed_.id) + "/checkpoints");
  }
  context_->AttemptEnded(cause);
}

bool AttemptRunner::StoreFinalizing() {
  // From STARTING (the result was there already) by way of RUNNING: the table
  // of transitions has no short cut.
  JobRecord job = claimed_;
  for (const JobState next : {JobState::kRunning, JobState::kFinalizing}) {
    const auto step = [&](JobRecord* record, std::vector<JobEvent>*) {
      if (record->state == JobState::kCancelling || record->state == next) {
        return absl::OkStatus();
      }
      record->state = next;
      if (next == JobState::kFinalizing) record->phase = kPhasePublishing;
      return absl::OkStatus();
    };
    if (!StoreSurely(step, &job)) return false;
    if (job.state == JobState::kCancelling) {
      StoreEnd({}, "cancelled before it was published");
      return false;
    }
  }
  return true;
}

void AttemptRunner::Publish() {
  const auto published = context_->registry->Publish(
      claimed_.spec.model, context_->ResultDir(claimed_.id), claimed_.id);
  if (!published.ok()) {
    const AttemptVerdict verdict = JudgePublish(published.status());
    if (verdict.code == "RESULT_CORRUPT") {
      // Made again from the last checkpoint.
      RemoveFolder(context_->ResultDir(claimed_.id)).IgnoreError();
    }
    return StoreEnd(verdict, std::string(published.status().message()));
  }
  const bool stored = StoreSurely(
      [&](JobRecord* job, std::vector<JobEvent>* events) {
        job->state = JobState::kSucceeded;
        job->phase.clear();
        job->published = *published;
        job->finished_ms = context_->NowMs();
        job->error = JobError();
        events->push_back(PublishedEvent(*published));
        return absl::OkStatus();
      },
      nullptr);
  if (!stored) return;
  // Not before: until the row says where the version is, the next process may
  // have to publish again.
  context_->RemoveWork(claimed_.id);
  context_->AttemptEnded("succeeded");
}

}  // namespace strata
