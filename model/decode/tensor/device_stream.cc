#include "model/decode/tensor/device_stream.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <vector>

#include "model/base/mutex.h"

namespace strata {
namespace {

constexpr int kStreamsOfLibTorch = 32;

Mutex& TakenLock() {
  static auto* const lock = new Mutex;
  return *lock;
}
std::vector<c10::Stream>& Taken() {
  static auto* const taken = new std::vector<c10::Stream>;
  return *taken;
}

}  // namespace

// LibTorch gives its streams in turn.
DeviceStream::DeviceStream(const torch::Device& device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl streams(device.type());
  MutexLock lock(&TakenLock());
  for (int i = 0; i < kStreamsOfLibTorch; ++i) {
    stream_ = streams.getStreamFromGlobalPool(device, /*isHighPriority=*/true);
    own_ = std::find(Taken().begin(), Taken().end(), *stream_) == Taken().end();
    if (own_) break;
  }
  if (own_) Taken().push_back(*stream_);
}

DeviceStream::~DeviceStream() {
  if (!own_ || !stream_.has_value()) return;
  MutexLock lock(&TakenLock());
  Taken().erase(std::find(Taken().begin(), Taken().end(), *stream_));
}

}  // namespace strata
