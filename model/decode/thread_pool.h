#pragma once
// Fork and join for one owner: ParallelFor cuts [0, n) over the owner and at most
// n - 1 of its threads - 1 helpers; the others are neither woken nor waited for, nor is
// one that comes when all is done: it may have been asleep, or its core another's. Helpers
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

  // A job in one word: its number; how many helpers it wants, which are 1 to that, or 0
  // once it is closed; whether the owner sleeps until they are done; how many are in it.
  static constexpr int kBits = 16;
  static constexpr uint64_t kOwnerSleeps = 1 << (kBits - 1);
  static constexpr uint64_t kField = (1 << kBits) - 1;
  static uint64_t Number(uint64_t job) { return job >> 2 * kBits; }
  static int Wanted(uint64_t job) { return static_cast<int>(job >> kBits & kField); }
  static int Inside(uint64_t job) {
    return static_cast<int>(job & kField & ~kOwnerSleeps);
  }

  void HelperMain(int thread);
  // Waits until a job other than `seen` wants `thread`, which is then in it, and `seen`
  // is its number. False: the pool stops.
  bool WaitForJob(int thread, uint64_t* seen);
  // Whether the job that there is now does.
  bool Enter(int thread, uint64_t* seen);
  // Lets no more helpers in, and waits for those that are.
  void CloseJob();
  void Leave();
  void RunIndices(int thread);

  // Written by the owner while nobody is in a job, before job_ is changed (release), read
  // by helpers that are (acquire).
  const Body* body_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  std::atomic<uint64_t> job_{0};
  std::atomic<bool> stop_{false};

  Mutex mu_;
  CondVar left_;  // the last helper has left a job whose owner sleeps
  std::vector<Helper*> woken_;  // by the owner, for one job
  std::vector<std::unique_ptr<Helper>> helpers_;  // thread t is helpers_[t - 1]
};

}  // namespace strata
