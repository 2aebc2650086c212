#include "model/decode/thread_pool.h"

#include <algorithm>
#include <chrono>

#include "model/base/thread_name.h"

namespace strata {
namespace {

using SpinClock = std::chrono::steady_clock;

// A helper waits for so long before it sleeps: longer than what lies between two steps
// of small models, shorter than anyone would notice on an idle machine.
constexpr SpinClock::duration kPatience = std::chrono::microseconds(150);
// After so long it asks whether another thread wants its core: the owner itself may.
constexpr SpinClock::duration kYieldAfter = std::chrono::microseconds(10);
// The owner waits for so long for helpers before it sleeps: some pieces of a job.
constexpr SpinClock::duration kOwnerPatience = std::chrono::microseconds(50);

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Some microseconds at most, however long a pause is. True once `done` says so.
template <typename Done>
inline bool SpinUntil(const Done& done) {
  constexpr int kPauses = 64;
  for (int spin = 0; spin < kPauses; ++spin) {
    if (done()) return true;
    Pause();
  }
  return false;
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
  {
    // Under the lock so that no helper falls asleep past this job.
    MutexLock lock(&mu_);
    const uint64_t number = Number(job_.load(std::memory_order_relaxed)) + 1;
    job_.store((number << kBits | wanted) << kBits, std::memory_order_release);
    woken_.clear();
    for (int t = 1; t <= wanted; ++t) {
      if (helpers_[t - 1]->asleep) woken_.push_back(helpers_[t - 1].get());
    }
  }
  // Without the lock, which they want at once.
  for (Helper* const helper : woken_) helper->posted.Signal();
  RunIndices(0);
  CloseJob();
  body_ = nullptr;
}

// A helper that takes so long does not run: another thread has its core. The owner sleeps,
// where it could yield, because who wakes is given a core that is free, and who yields
// keeps his: two that came to share one would go on to.
void ThreadPool::CloseJob() {
  job_.fetch_and(~(kField << kBits), std::memory_order_acq_rel);
  const auto over = [&] { return Inside(job_.load(std::memory_order_acquire)) == 0; };
  if (SpinUntil(over)) return;
  const SpinClock::time_point patience = SpinClock::now() + kOwnerPatience;
  while (SpinClock::now() < patience) {
    if (SpinUntil(over)) return;
  }
  job_.fetch_or(kOwnerSleeps, std::memory_order_acq_rel);
  MutexLock lock(&mu_);
  while (!over()) left_.Wait(&mu_);
}

void ThreadPool::Leave() {
  const uint64_t job = job_.fetch_sub(1, std::memory_order_acq_rel);
  if (Inside(job) > 1 || (job & kOwnerSleeps) == 0) return;
  MutexLock lock(&mu_);
  left_.Signal();
}

void ThreadPool::RunIndices(int thread) {
  const int64_t count = count_;
  for (;;) {
    const int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= count) return;
    (*body_)(thread, i);
  }
}

bool ThreadPool::Enter(int thread, uint64_t* seen) {
  uint64_t job = job_.load(std::memory_order_acquire);
  while (thread <= Wanted(job) && Number(job) != *seen) {
    if (job_.compare_exchange_weak(job, job + 1, std::memory_order_acquire)) {
      *seen = Number(job);
      return true;
    }
  }
  return false;
}

bool ThreadPool::WaitForJob(int thread, uint64_t* seen) {
  bool entered = false;
  const auto called = [&] {
    return (entered = Enter(thread, seen)) || stop_.load(std::memory_order_acquire);
  };
  if (SpinUntil(called)) return entered;
  SpinClock::time_point now = SpinClock::now();
  const SpinClock::time_point patience = now + kPatience;
  SpinClock::time_point yield_at = now + kYieldAfter;
  for (; now < patience; now = SpinClock::now()) {
    if (SpinUntil(called)) return entered;
    if (now < yield_at) continue;
    std::this_thread::yield();
    yield_at = now + kYieldAfter;
  }
  Helper& self = *helpers_[thread - 1];
  MutexLock lock(&mu_);
  self.asleep = true;
  while (!called()) self.posted.Wait(&mu_);
  self.asleep = false;
  return entered;
}

void ThreadPool::HelperMain(int thread) {
  uint64_t seen = 0;
  // Stopped: the owner has no job under way.
  while (WaitForJob(thread, &seen)) {
    RunIndices(thread);
    Leave();
  }
}

}  // namespace strata
