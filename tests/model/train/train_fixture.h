#pragma once
// A job folder with a small dataset and a tiny base model, an observer that
// records, and runs in forked children. For the tests of this folder.

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/model_config.h"
#include "model/trainer.h"
#include "model/trainer_wire.h"

namespace strata::testing {

class RecordingObserver : public TrainObserver {
 public:
  void OnStarted(int64_t resumed_from_step, int threads,
                 absl::string_view environment_json) override {
    started.push_back(resumed_from_step);
    environment = std::string(environment_json);
  }
  void OnProgress(const TrainProgress& p) override {
    progress.push_back(p);
    if (on_progress) on_progress(p);
  }
  void OnEval(const TrainEval& eval) override { evals.push_back(eval); }
  void OnCheckpoint(int64_t step, absl::string_view path,
                    int64_t bytes) override {
    checkpoints.push_back(step);
    if (on_checkpoint) on_checkpoint(step);
  }
  void OnWarning(absl::string_view code, absl::string_view message) override {
    warnings.emplace_back(std::string(code), std::string(message));
  }
  Signal Poll() override {
    ++polls;
    return poll ? poll() : Signal::kContinue;
  }

  int Warnings(absl::string_view code) const {
    int count = 0;
    for (const auto& warning : warnings) count += warning.first == code;
    return count;
  }

  std::vector<int64_t> started;
  std::string environment;
  std::vector<TrainProgress> progress;
  std::vector<TrainEval> evals;
  std::vector<int64_t> checkpoints;
  std::vector<std::pair<std::string, std::string>> warnings;
  int64_t polls = 0;
  std::function<void(const TrainProgress&)> on_progress;
  std::function<void(int64_t)> on_checkpoint;
  std::function<Signal()> poll;
};

// A folder that is removed in the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A block model of two levels with dropout.
ModelConfig TinyConfig();

// Writes `text` as the dataset of a run in `dir`, whose base is a model of
// TinyConfig; 24 steps of 4 rows in micro-batches of 2, checkpoints
// every 4 steps. A test changes what it is about.
TrainRun TinyRun(const std::string& dir, const std::string& text);

// The same run of new weights of `config`.
TrainRun WithConfig(TrainRun run, const ModelConfig& config);

// Pseudo-English of `bytes` bytes: the same every time.
std::string SampleText(size_t bytes);

// SHA-256 of result/model.safetensors, or "" where there is none.
std::string ResultHash(const TrainRun& run);

// A trainer process: this binary, run again as `trainer` (see test_main.cc), or
// as `poisoned-trainer` where that is the name of the run's model.
class TrainerProcess {
 public:
  // `file_limit` > 0: no file of the child may grow beyond it (RLIMIT_FSIZE).
  // `tickets`: it asks for one before each slice.
  explicit TrainerProcess(const TrainRun& run, int64_t file_limit = 0,
                          bool tickets = false);
  ~TrainerProcess();  // kills what still runs

  // Blocks for the next event; std::nullopt at the end of the stream.
  std::optional<TrainEvent> Next();
  void Write(absl::string_view line);  // to its standard input
  void CloseInput();
  void Kill();  // SIGKILL
  int Wait();   // exit code, or -signal
  // Reads to the end; the status of `ended`, UNAVAILABLE where there is none.
  absl::Status Finish(std::vector<TrainEvent>* events = nullptr);

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int events_ = -1;
  std::string buffer_;
  std::string run_file_;
};

}  // namespace strata::testing
