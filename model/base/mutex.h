#pragma once
// Mutex, MutexLock and CondVar over the standard library, with the annotations
// that clang's -Wthread-safety checks. Not absl::Mutex: packaged builds of it
// are not instrumented for ThreadSanitizer, which then reports races that are
// not there; these run under it without any suppression.
//
//   Mutex mu_;
//   int value_ STRATA_GUARDED_BY(mu_);
//   { MutexLock lock(&mu_); while (value_ == 0) cond_.Wait(&mu_); }

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define STRATA_TSA_(x) __attribute__((x))
#else
#define STRATA_TSA_(x)
#endif

#define STRATA_GUARDED_BY(x) STRATA_TSA_(guarded_by(x))
#define STRATA_REQUIRES(...) STRATA_TSA_(requires_capability(__VA_ARGS__))
#define STRATA_EXCLUDES(...) STRATA_TSA_(locks_excluded(__VA_ARGS__))

namespace strata {

class STRATA_TSA_(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() STRATA_TSA_(acquire_capability()) { mu_.lock(); }
  void Unlock() STRATA_TSA_(release_capability()) { mu_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

class STRATA_TSA_(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex* mu) STRATA_TSA_(acquire_capability(mu)) : mu_(mu) {
    mu_->Lock();
  }
  ~MutexLock() STRATA_TSA_(release_capability()) { mu_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mu_;
};

// Every wait may wake spuriously: callers loop on their condition.
class CondVar {
 public:
  using Clock = std::chrono::steady_clock;

  void Wait(Mutex* mu) STRATA_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu->mu_, std::adopt_lock);
    cond_.wait(lock);
    lock.release();
  }

  // Returns false when `deadline` passed without a wake-up.
  bool WaitUntil(Mutex* mu, Clock::time_point deadline) STRATA_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu->mu_, std::adopt_lock);
    const bool woken = cond_.wait_until(lock, deadline) ==
                       std::cv_status::no_timeout;
    lock.release();
    return woken;
  }

  void Signal() { cond_.notify_one(); }
  void SignalAll() { cond_.notify_all(); }

 private:
  std::condition_variable cond_;
};

}  // namespace strata
