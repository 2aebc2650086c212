#pragma once
// Time as an injected dependency. Intervals and deadlines use the monotonic
// clock; only what a person or another host reads uses wall time.
// Thread-safe: implementations may be called from any thread.

#include <chrono>
#include <cstdint>

namespace strata {

using MonotonicTime = std::chrono::steady_clock::time_point;
using MonotonicDuration = std::chrono::steady_clock::duration;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime Now() const = 0;
  virtual int64_t WallMillis() const = 0;  // since the Unix epoch

  // The process clock; never destroyed.
  static const Clock* System();
};

// Seconds between two monotonic instants, for metrics.
inline double Seconds(MonotonicDuration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace strata
