#pragma once
// ManualClock: time that moves when a test says so. Thread-safe.

#include <atomic>
#include <chrono>

#include "model/base/clock.h"

namespace strata {

class ManualClock final : public Clock {
 public:
  MonotonicTime Now() const override {
    return MonotonicTime(MonotonicDuration(now_.load()));
  }
  int64_t WallMillis() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               MonotonicDuration(now_.load()))
        .count();
  }
  void Advance(MonotonicDuration by) { now_ += by.count(); }

 private:
  std::atomic<int64_t> now_{std::chrono::nanoseconds(std::chrono::hours(1))
                                .count()};
};

}  // namespace strata
