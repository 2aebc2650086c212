#pragma once
// Fork and join for one owner: ParallelFor cuts [0, n) over the owner and at most
// n - 1 of its threads - 1 helpers; the others are neither woken nor waited for. Helpers
// spin for some microseconds after a job, since a decoding step is a chain of many small
// ones, and sleep when none follows. With threads == 1 no helper exists and the body runs
// inline. Which thread runs which index is not fixed: bodies must not care. ParallelFor:
// owner thread only, not re-entrant.

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "model/base/mutex.h"

namespace strata {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // body(thread, index) for every index in [0, n); thread in [0, threads()).
  // Returns when all have run.
  using Body = absl::FunctionRef<void(int thread, int64_t index)>;
  void ParallelFor(int64_t n, Body body);

 private:
  struct Helper {
    CondVar posted;
    bool asleep = false;  // guarded by mu_
    std::thread thread;
  };

  // A job: its number, and below it how many helpers take part: 1 to that.
  static constexpr int kWantedBits = 16;
  static int Wanted(uint64_t job) {
    return static_cast<int>(job & ((1 << kWantedBits) - 1));
  }

  void HelperMain(int thread);
  // Waits until a job newer than `seen` is posted in which `thread` takes part, or
  // the pool stops: then 0.
  uint64_t WaitForJob(int thread, uint64_t seen);
  void RunIndices(int thread);

  // Written by the owner before job_ is changed (release), read by the helpers that
  // take part after they saw it (acquire).
  const Body* body_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  std::atomic<int> busy_{0};  // helpers that have not finished the job
  std::atomic<uint64_t> job_{0};
  std::atomic<bool> stop_{false};

  Mutex mu_;
  std::vector<std::unique_ptr<Helper>> helpers_;  // thread t is helpers_[t - 1]
};

}  // namespace strata
