#pragma once
// Recorder: work of a device that is recorded once and then run again and again, without
// the host naming each kernel anew. On a GPU that is a CUDA graph, by the plug-in
// model/cuda, which sees this header and no other. Used by one thread at a time.

#include <functional>
#include <memory>

namespace strata {

class Recording {
 public:
  virtual ~Recording() = default;
  // Runs what was recorded. The memory that it reads and writes lies where it lay.
  virtual void Replay() = 0;
};

// Outlives its recordings.
class Recorder {
 public:
  virtual ~Recorder() = default;
  // What `work` asks of the stream that is current, which is no default one. It may be
  // done or not; `work` has been done once before, so that nothing in it is for the
  // first time. It waits for nothing, and takes nothing from the host but what is always
  // the same. Throws what `work` throws, and std::exception where it cannot be recorded.
  virtual std::unique_ptr<Recording> Record(std::function<void()> work) = 0;
};

// For devices without such a thing: calls `work` again.
std::unique_ptr<Recorder> CallAgain();

// What the plug-in exports, as a function of C: a new recorder, the caller's.
#define STRATA_CUDA_RECORDER_SYMBOL "StrataNewCudaRecorder"

}  // namespace strata
