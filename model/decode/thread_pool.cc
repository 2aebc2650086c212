#include "model/decode/thread_pool.h"

#include <algorithm>

#include "model/base/thread_name.h"

namespace strata {
namespace {

// About 20 microseconds: longer than the gap between two jobs of a step,
// shorter than anyone would notice on an idle machine.
constexpr int kSpins = 4000;

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int t = 1; t < threads; ++t) {
    helpers_.push_back(std::make_unique<Helper>());
  }
  for (int t = 1; t < threads; ++t) {
    helpers_[t - 1]->thread = std::thread([this, t] {
      NameThisThread("compute");
      HelperMain(t);
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(&mu_);
    stop_.store(true, std::memory_order_release);
  }
  for (const auto& helper : helpers_) helper->posted.SignalAll();
  for (const auto& helper : helpers_) helper->thread.join();
}

void ThreadPool::ParallelFor(int64_t n, Body body) {
  if (helpers_.empty() || n <= 1) {
    for (int64_t i = 0; i < n; ++i) body(0, i);
    return;
  }
  const int wanted = static_cast<int>(
      std::min<int64_t>(n - 1, static_cast<int64_t>(helpers_.size())));
  body_ = &body;
  count_ = n;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(wanted, std::memory_order_relaxed);
  {
    // Under the lock so that no helper falls asleep past this job.
    MutexLock lock(&mu_);
    const uint64_t number = (job_.load(std::memory_order_relaxed) >> kWantedBits) + 1;
    job_.store(number << kWantedBits | wanted, std::memory_order_release);
    for (int t = 1; t <= wanted; ++t) {
      if (helpers_[t - 1]->asleep) helpers_[t - 1]->posted.Signal();
    }
  }
  RunIndices(0);
  int spins = 0;
  while (busy_.load(std::memory_order_acquire) > 0) {
    Pause();
    if (++spins > kSpins) std::this_thread::yield();
  }
  body_ = nullptr;
}

void ThreadPool::RunIndices(int thread) {
  const int64_t count = count_;
  for (;;) {
    const int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= count) return;
    (*body_)(thread, i);
  }
}

uint64_t ThreadPool::WaitForJob(int thread, uint64_t seen) {
  const auto taken = [&](uint64_t job) {
    return job != seen && thread <= Wanted(job);
  };
  for (int spin = 0; spin < kSpins; ++spin) {
    const uint64_t now = job_.load(std::memory_order_acquire);
    if (taken(now)) return now;
    if (stop_.load(std::memory_order_acquire)) return 0;
    Pause();
  }
  Helper& self = *helpers_[thread - 1];
  MutexLock lock(&mu_);
  self.asleep = true;
  while (!taken(job_.load(std::memory_order_acquire)) &&
         !stop_.load(std::memory_order_acquire)) {
    self.posted.Wait(&mu_);
  }
  self.asleep = false;
  const uint64_t now = job_.load(std::memory_order_acquire);
  return taken(now) ? now : 0;
}

void ThreadPool::HelperMain(int thread) {
  uint64_t seen = 0;
  // Stopped: the owner has no job under way.
  while ((seen = WaitForJob(thread, seen)) != 0) {
    RunIndices(thread);
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace strata
