#include "server/jobs/job_slots.h"

#include <algorithm>
#include <chrono>

#include "model/base/log.h"
#include "server/jobs/recovery.h"

namespace strata {
namespace {

constexpr auto kSweepInterval = std::chrono::seconds(10);
constexpr int64_t kFolderSweepMs = 10 * 60 * 1000;  // or a quarter of the limit

}  // namespace

void JobSlots::Start() {
  MutexLock stop_lock(&stop_mu_);
  {
    MutexLock lock(&mu_);
    if (stopping_) return;
    live_ += context_->options.slots;
    sweep_at_ = Clock::System()->Now() + kSweepInterval;
  }
  const auto& devices = context_->options.trainer_devices;
  for (int i = 0; i < context_->options.slots; ++i) {
    threads_.emplace_back([this, device = devices[i % devices.size()]] { Loop(device); });
  }
  threads_.emplace_back([this] { SweepFolders(); });
}

void JobSlots::Wake() {
  MutexLock lock(&mu_);
  ++wakes_;
  cond_.SignalAll();
}

void JobSlots::Cancel(absl::string_view id) {
  MutexLock lock(&mu_);
  const auto it = running_.find(std::string(id));
  if (it != running_.end()) it->second->RequestCancel();
}

void JobSlots::Stop(MonotonicTime deadline) {
  MutexLock stop_lock(&stop_mu_);
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    cond_.SignalAll();
    for (const auto& [id, runner] : running_) runner->RequestDrain();
    while (live_ > 0 && Clock::System()->Now() < deadline) {
      cond_.WaitUntil(&mu_, deadline);
    }
    killing_ = true;
    for (const auto& [id, runner] : running_) runner->RequestKill();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void JobSlots::Loop(const std::string& device) {
  while (true) {
    uint64_t seen = 0;
    {
      MutexLock lock(&mu_);
      if (stopping_) break;
      seen = wakes_;
    }
    SweepIfDue();
    const auto job = context_->store->Claim(context_->owner,
                                            context_->NowMs(), kLeaseMs);
    if (job.ok()) {
      RunAttempt(*job, device);
      continue;
    }
    if (!absl::IsNotFound(job.status())) {
      Log(Severity::kError, "no job could be claimed",
          {{"error", job.status().message()}});
    }
    if (!WaitForWork(seen)) break;
  }
  MutexLock lock(&mu_);
  --live_;
  cond_.SignalAll();
}

// Of a thread of its own: a slot may be busy for days.
void JobSlots::SweepFolders() {
  const int64_t keep_ms = context_->options.keep_ended_ms;
  const auto interval = std::chrono::milliseconds(
      keep_ms > 0 ? std::clamp<int64_t>(keep_ms / 4, 20, kFolderSweepMs)
                  : kFolderSweepMs);
  while (true) {
    const MonotonicTime next = Clock::System()->Now() + interval;
    {
      MutexLock lock(&mu_);
      while (!stopping_ && Clock::System()->Now() < next) {
        cond_.WaitUntil(&mu_, next);
      }
      if (stopping_) return;
    }
    SweepEndedJobs(*context_);
  }
}

// New jobs wake the slot; jobs that wait for their retry are found by looking.
bool JobSlots::WaitForWork(uint64_t seen) {
  const auto look = std::chrono::milliseconds(
      std::clamp<int64_t>(context_->options.retry_base_ms / 2, 20, 1000));
  const MonotonicTime until = Clock::System()->Now() + look;
  MutexLock lock(&mu_);
  while (!stopping_ && wakes_ == seen && Clock::System()->Now() < until) {
    cond_.WaitUntil(&mu_, until);
  }
  return !stopping_;
}

void JobSlots::RunAttempt(const JobRecord& job, const std::string& device) {
  AttemptRunner runner(context_, job, device);
  {
    MutexLock lock(&mu_);
    running_[job.id] = &runner;
    if (stopping_) runner.RequestDrain();
    if (killing_) runner.RequestKill();
  }
  context_->Changed(job.id);
  Log(Severity::kInfo, "attempt begins",
      {{"job", job.id}, {"attempt", job.attempt}});
  runner.Run();
  MutexLock lock(&mu_);
  running_.erase(job.id);
}

void JobSlots::SweepIfDue() {
  {
    MutexLock lock(&mu_);
    const MonotonicTime now = Clock::System()->Now();
    if (now < sweep_at_) return;
    sweep_at_ = now + kSweepInterval;
  }
  const absl::Status swept =
      RecoverOrphans(context_, /*server_lost=*/false,
                     [this](absl::string_view id) {
                       MutexLock lock(&mu_);
                       return running_.count(std::string(id)) > 0;
                     });
  if (!swept.ok()) {
    Log(Severity::kError, "orphans were not looked for",
        {{"error", swept.message()}});
  }
}

}  // namespace strata
