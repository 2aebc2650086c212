#pragma once
// DeviceStream: a stream of high priority of one GPU that no other DeviceStream has at the
// same time, so that what one records is its own. On a CPU there are none. Thread-safe.

#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>
#include <torch/torch.h>

#include <optional>

namespace strata {

class DeviceStream {
 public:
  // May throw what LibTorch throws.
  explicit DeviceStream(const torch::Device& device);
  ~DeviceStream();
  DeviceStream(const DeviceStream&) = delete;
  DeviceStream& operator=(const DeviceStream&) = delete;

  // What is asked of the device while the guard lives goes to the stream.
  c10::OptionalStreamGuard Guard() const { return c10::OptionalStreamGuard(stream_); }
  // Waits for all that was asked of it.
  void Wait() const {
    if (stream_.has_value()) stream_->synchronize();
  }
  // False where LibTorch, which has some 32 of a device, had none left: it is shared.
  bool own() const { return own_; }

 private:
  std::optional<c10::Stream> stream_;
  bool own_ = true;
};

}  // namespace strata
