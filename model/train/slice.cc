#include "model/train/slice.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include "model/nn/torch_guard.h"

namespace strata {
namespace {

void WaitFor(torch::Device device) {
  if (device.is_cpu()) return;  // has done what it was told to
  // A device that has failed says so to whoever uses it next.
  TorchGuard([&] {
    const c10::impl::VirtualGuardImpl guard(device.type());
    guard.synchronizeDevice(device.has_index() ? device.index()
                                               : guard.getDevice().index());
  }).IgnoreError();
}

}  // namespace

TrainObserver::Signal Slices::Begin() {
  End();
  const TrainObserver::Signal signal = observer_->BeginSlice();
  open_ = signal == TrainObserver::Signal::kContinue && observer_->takes_tickets();
  if (open_) begin_ = Clock::System()->Now();
  return signal;
}

void Slices::End() {
  if (!open_) return;
  WaitFor(device_);
  open_ = false;
  observer_->EndSlice(Seconds(Clock::System()->Now() - begin_));
}

}  // namespace strata
