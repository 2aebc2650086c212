#include "model/decode/thread_pool.h"

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
    helpers_.emplace_back([this, t] { HelperMain(t); });
  }
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(&mu_);
    stop_.store(true, std::memory_order_release);
  }
  posted_.SignalAll();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadPool::ParallelFor(int64_t n, Body body) {
  if (helpers_.empty() || n <= 1) {
    for (int64_t i = 0; i < n; ++i) body(0, i);
    return;
  }
  body_ = &body;
  count_ = n;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(helpers_.size()), std::memory_order_relaxed);
  bool wake = false;
  {
    // Under the lock so that no helper falls asleep past this job.
    MutexLock lock(&mu_);
    generation_.fetch_add(1, std::memory_order_release);
    wake = sleeping_ > 0;
  }
  if (wake) posted_.SignalAll();
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

uint64_t ThreadPool::WaitForJob(uint64_t seen) {
  for (int spin = 0; spin < kSpins; ++spin) {
    const uint64_t now = generation_.load(std::memory_order_acquire);
    if (now != seen || stop_.load(std::memory_order_acquire)) return now;
    Pause();
  }
  MutexLock lock(&mu_);
  ++sleeping_;
  while (generation_.load(std::memory_order_acquire) == seen &&
         !stop_.load(std::memory_order_acquire)) {
    posted_.Wait(&mu_);
  }
  --sleeping_;
  return generation_.load(std::memory_order_acquire);
}

void ThreadPool::HelperMain(int thread) {
  uint64_t seen = 0;
  for (;;) {
    const uint64_t now = WaitForJob(seen);
    if (now == seen) return;  // stopped: the owner has no job under way
    seen = now;
    RunIndices(thread);
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace strata
