#include "model/decode/tensor/recorder.h"

#include <utility>

namespace strata {
namespace {

class WorkCalledAgain final : public Recording {
 public:
  explicit WorkCalledAgain(std::function<void()> work) : work_(std::move(work)) {}
  void Replay() override { work_(); }

 private:
  const std::function<void()> work_;
};

class AgainRecorder final : public Recorder {
 public:
  std::unique_ptr<Recording> Record(std::function<void()> work) override {
    return std::make_unique<WorkCalledAgain>(std::move(work));
  }
};

}  // namespace

std::unique_ptr<Recorder> CallAgain() { return std::make_unique<AgainRecorder>(); }

}  // namespace strata
