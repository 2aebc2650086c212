#pragma once
// JobSlots: the threads that claim jobs and run their attempts, one attempt a
// thread, and one that sweeps the folders of jobs that have ended. Thread-safe.

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/jobs/attempt_runner.h"
#include "server/jobs/job_context.h"

namespace strata {

class JobSlots {
 public:
  explicit JobSlots(JobContext* context) : context_(context) {}

  void Start();
  void Wake();                        // a job may be waiting
  void Cancel(absl::string_view id);  // the job is CANCELLING in the store
  // Drains; kills at the deadline; returns when every thread has ended. Further
  // calls do nothing, and no Start may follow.
  void Stop(MonotonicTime deadline);

 private:
  void Loop(const std::string& device);
  void SweepFolders();
  void RunAttempt(const JobRecord& job, const std::string& device);
  void SweepIfDue();
  bool WaitForWork(uint64_t seen);  // false: stopping

  JobContext* const context_;
  Mutex stop_mu_;  // one Stop at a time
  std::vector<std::thread> threads_ STRATA_GUARDED_BY(stop_mu_);

  Mutex mu_;
  CondVar cond_;
  bool stopping_ STRATA_GUARDED_BY(mu_) = false;
  bool killing_ STRATA_GUARDED_BY(mu_) = false;
  uint64_t wakes_ STRATA_GUARDED_BY(mu_) = 0;
  int live_ STRATA_GUARDED_BY(mu_) = 0;  // threads
  MonotonicTime sweep_at_ STRATA_GUARDED_BY(mu_){};
  std::map<std::string, AttemptRunner*> running_ STRATA_GUARDED_BY(mu_);
};

}  // namespace strata
