#include "server/jobs/attempt_events.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "model/base/log.h"
#include "server/jobs/event_payload.h"

namespace strata {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(500);

}  // namespace

AttemptEvents::AttemptEvents(JobContext* context, const JobRecord& claimed)
    : context_(context), id_(claimed.id), fence_(claimed.fence) {}

void AttemptEvents::Started(int64_t resumed_from_step, int threads,
                            const std::string& environment_json) {
  MutexLock lock(&mu_);
  started_ = true;
  observed_step_ = resumed_from_step;
  observed_items_ = resumed_from_step == 0 ? 0 : -1;
  Store(Durability::kFull, [&](JobRecord* job, std::vector<JobEvent>* events) {
    job->phase = "training";
    events->push_back(
        StartedEvent(resumed_from_step, threads, environment_json));
    return absl::OkStatus();
  });
}

void AttemptEvents::Progress(const TrainProgress& progress) {
  MutexLock lock(&mu_);
  Observe(progress);
  held_ = progress;
  if (Clock::System()->Now() >= next_store_) StoreHeld();
}

void AttemptEvents::Eval(const TrainEval& eval) {
  MutexLock lock(&mu_);
  StoreHeld();
  Store(Durability::kRelaxed,
        [&](JobRecord* job, std::vector<JobEvent>* events) {
          job->has_eval = true;
          job->last_eval = eval;
          events->push_back(EvalEvent(eval));
          return absl::OkStatus();
        });
}

void AttemptEvents::Checkpoint(int64_t step, const std::string& path,
                               int64_t bytes) {
  if (context_->options.observer != nullptr) {
    context_->options.observer->OnCheckpoint(bytes);
  }
  MutexLock lock(&mu_);
  StoreHeld();
  Store(Durability::kFull, [&](JobRecord* job, std::vector<JobEvent>* events) {
    // Lower than the one before where training went back.
    job->checkpoint_step = step;
    events->push_back(CheckpointEvent(step, path, bytes));
    return absl::OkStatus();
  });
}

void AttemptEvents::Warning(const std::string& code,
                            const std::string& message) {
  Log(Severity::kWarning, "trainer",
      {{"job", id_}, {"code", code}, {"message", message}});
  MutexLock lock(&mu_);
  StoreHeld();
  Store(Durability::kRelaxed,
        [&](JobRecord* job, std::vector<JobEvent>* events) {
          events->push_back(ErrorEvent(kEventWarning, code, message));
          return absl::OkStatus();
        });
}

void AttemptEvents::Flush(MonotonicTime now) {
  MutexLock lock(&mu_);
  if (now >= next_store_) StoreHeld();
}

MonotonicTime AttemptEvents::flush_at() const {
  MutexLock lock(&mu_);
  return held_.has_value() ? next_store_ : MonotonicTime::max();
}

bool AttemptEvents::fenced() const {
  MutexLock lock(&mu_);
  return fenced_;
}

void AttemptEvents::StoreHeld() {
  if (!held_.has_value()) return;
  const TrainProgress progress = *held_;
  held_.reset();
  next_store_ = Clock::System()->Now() + kProgressInterval;
  Store(Durability::kRelaxed,
        [&](JobRecord* job, std::vector<JobEvent>* events) {
          job->progress = progress;
          events->push_back(MetricsEvent(progress));
          return absl::OkStatus();
        });
}

// An error other than the fence loses this event, not the attempt: training is
// worth more than a line of its story. The state is made up for by the next.
void AttemptEvents::Store(Durability durability,
                          const JobStore::Change& change) {
  if (fenced_) return;
  if (started_ && !running_stored_) durability = Durability::kFull;
  const auto stored = context_->Change(
      id_, fence_, durability,
      [&](JobRecord* job, std::vector<JobEvent>* events) {
        if (started_ && job->state == JobState::kStarting) {
          job->state = JobState::kRunning;
        }
        return change(job, events);
      });
  if (stored.ok()) {
    running_stored_ = running_stored_ || started_;
    return;
  }
  fenced_ = absl::IsAborted(stored.status()) ||
            absl::IsFailedPrecondition(stored.status());
  Log(Severity::kWarning, "an event of a job was not stored",
      {{"job", id_}, {"error", stored.status().message()}});
}

void AttemptEvents::Observe(const TrainProgress& progress) {
  JobObserver* const observer = context_->options.observer;
  if (observer == nullptr) return;
  // A resumed attempt does not say what it had counted before.
  const int64_t items =
      observed_items_ < 0 ? 0 : progress.items_total - observed_items_;
  const int64_t steps = progress.step - observed_step_;
  observed_step_ = progress.step;
  observed_items_ = progress.items_total;
  observer->OnTrainProgress(std::max<int64_t>(steps, 0),
                            std::max<int64_t>(items, 0), progress);
}

}  // namespace strata
