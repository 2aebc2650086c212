#pragma once
// Items per second and time left, smoothed: exponential means with the bias of
// the first steps removed. Evaluation and checkpoints do not count as step time.
// Thread-compatible.

#include <cstdint>

namespace strata {

class TrainRate {
 public:
  void Add(int64_t items, double seconds) {
    weight_ = kDecay * weight_ + (1 - kDecay);
    items_ = kDecay * items_ + (1 - kDecay) * static_cast<double>(items);
    seconds_ = kDecay * seconds_ + (1 - kDecay) * seconds;
  }
  double ItemsPerSecond() const {
    return seconds_ > 0 ? items_ / seconds_ : 0;
  }
  double SecondsFor(int64_t steps) const {
    return weight_ > 0 ? static_cast<double>(steps) * seconds_ / weight_ : 0;
  }

 private:
  static constexpr double kDecay = 0.95;
  double weight_ = 0, items_ = 0, seconds_ = 0;
};

}  // namespace strata
