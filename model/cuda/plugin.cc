// libstrata_cuda.so: CUDA graphs for the tensor executor (model/decode/tensor/recorder.h),
// by LibTorch's own. Needs the headers of the CUDA runtime and no compiler of CUDA's;
// LibTorch's CUDA half has been loaded, with its symbols for all, before this is.

#include <ATen/cuda/CUDAGraph.h>

#include <functional>
#include <memory>

#include "model/decode/tensor/recorder.h"

namespace {

class Graph final : public strata::Recording {
 public:
  // All recordings of a recorder take their temporary memory from one pool: they run one
  // after another on one stream, and none reads what another left there.
  Graph(const std::function<void()>& work, at::cuda::MempoolId_t pool) {
    // Other threads go on asking for memory, on this device and on others.
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      End();
      throw;
    }
    graph_.capture_end();
  }

  void Replay() override { graph_.replay(); }

 private:
  // The stream must not be left capturing; what it says is of no use any more.
  void End() noexcept {
    try {
      graph_.capture_end();
    } catch (...) {
    }
  }

  at::cuda::CUDAGraph graph_;
};

class GraphRecorder final : public strata::Recorder {
 public:
  std::unique_ptr<strata::Recording> Record(std::function<void()> work) override {
    return std::make_unique<Graph>(work, pool_);
  }

 private:
  const at::cuda::MempoolId_t pool_ = at::cuda::graph_pool_handle();
};

}  // namespace

extern "C" __attribute__((visibility("default"))) strata::Recorder*
StrataNewCudaRecorder() {
  return new GraphRecorder();
}
