#pragma once
// The bytes of tensors on the CPU that a thread allocates and frees while this watches.

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace strata::testing {

class TensorBytes {
 public:
  int64_t live() const { return counts_->live; }  // since it began
  int64_t most() const { return counts_->most; }

 private:
  struct Counts : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
      live += size;
      most = std::max(most, live);
    }
    bool memoryProfilingEnabled() const override { return true; }
    int64_t live = 0, most = 0;
  };

  const std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
  const c10::DebugInfoGuard guard_{c10::DebugInfoKind::PROFILER_STATE, counts_};
};

}  // namespace strata::testing
