#pragma once
// Slices: the turns that a training thread takes on its device.
//
//   Slices slices(observer, device);
//   if (slices.Begin() != Signal::kContinue) return;   // waits for the turn
//   … work on the device …
//   slices.End();                                       // once it is done there
//
// Work that is queued on a device runs on behind the thread that queued it, so End
// waits for the device: what follows a slice finds it free. Where the observer takes
// no tickets, Begin polls it and End does nothing. Thread-compatible.

#include <torch/torch.h>

#include "model/base/clock.h"
#include "model/trainer.h"

namespace strata {

class Slices {
 public:
  // `observer` outlives it.
  Slices(TrainObserver* observer, torch::Device device)
      : observer_(observer), device_(device) {}
  ~Slices() { End(); }
  Slices(const Slices&) = delete;
  Slices& operator=(const Slices&) = delete;

  // Ends a slice that is open. A signal: none has begun.
  TrainObserver::Signal Begin();
  void End();  // no effect where none is open

 private:
  TrainObserver* const observer_;
  const torch::Device device_;
  bool open_ = false;
  MonotonicTime begin_{};
};

}  // namespace strata
