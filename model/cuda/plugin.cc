// libstrata_cuda.so: CUDA graphs for the tensor executor (model/decode/tensor/recorder.h),
// by LibTorch's own. Needs the headers of the CUDA runtime and no compiler of CUDA's;
// LibTorch's CUDA half has been loaded, with its symbols for all, before this is.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <functional>
#include <memory>

#include "model/decode/tensor/recorder.h"

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

class Graph final : public strata::Recording {
 public:
  // All recordings of a recorder take their temporary memory from one pool: they run one
  // after another on one stream, and none reads what another left there.
  Graph(const std::function<void()>& work, c10::DeviceIndex device,
        at::cuda::MempoolId_t pool) {
    try {
      // Other threads go on asking for memory, on this device and on others.
      graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
      work();
      graph_.capture_end();
    } catch (...) {
      Abandon(device, pool);
      throw;
    }
  }

  void Replay() override { graph_.replay(); }

 private:
  // Neither the stream nor the allocator must be left recording.
  void Abandon(c10::DeviceIndex device, at::cuda::MempoolId_t pool) noexcept {
    try {
      graph_.capture_end();
      return;
    } catch (...) {  // it was invalid, or had ended, or had not begun
    }
    try {
      allocator::endAllocateToPool(device, pool);
      allocator::releasePool(device, pool);
    } catch (...) {  // it had got so far
    }
  }

  at::cuda::CUDAGraph graph_;
};

class GraphRecorder final : public strata::Recorder {
 public:
  ~GraphRecorder() override {
    if (device_ < 0) return;
    try {
      allocator::releasePool(device_, pool_);
    } catch (...) {
    }
  }

  std::unique_ptr<strata::Recording> Record(std::function<void()> work) override {
    if (device_ < 0) {
      const c10::DeviceIndex device = c10::cuda::current_device();
      // The pool is there as long as this is: without it, it would end with the last of
      // its graphs, and no other could be recorded.
      allocator::createOrIncrefPool(device, pool_);
      device_ = device;
    }
    return std::make_unique<Graph>(work, device_, pool_);
  }

 private:
  const at::cuda::MempoolId_t pool_ = at::cuda::graph_pool_handle();
  c10::DeviceIndex device_ = -1;  // until the first recording
};

}  // namespace

extern "C" __attribute__((visibility("default"))) strata::Recorder*
StrataNewCudaRecorder() {
  return new GraphRecorder();
}
