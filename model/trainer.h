#pragma once
// The torch-free face of training: one blocking call that runs (or resumes) one
// attempt of a job in its folder, reporting through an observer. It is what
// `strata-server trainer` runs in a child process.
//
// Folder layout (`job_dir`):
//   spec.json            TrainSpec, resolved
//   checkpoints/step-N/  model.safetensors optimizer.safetensors
//                        trainer_state.json config.json template.json MANIFEST
//   tokenizer.model      where the spec has one trained: kept before the first step
//   result/              the version folder to publish, once finished
// A run resumes from the newest checkpoint whose manifest verifies (falling back
// to the one before, with an event) and ends in the same weights, bit for bit,
// as an uninterrupted run of the same thread count: on the CPU; not all of a GPU's kernels
// give the same twice.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/train_spec.h"

namespace strata {

struct TrainProgress {
  int64_t step = 0;         // optimizer steps done
  int64_t total_steps = 0;
  double loss = 0;          // nats per trained item, mean of the step; nothing that
                            // a spec adds to what is minimised
  double bits_per_byte = 0; // of the bytes that those items stand for, a special
                            // counting as one: loss / ln 2 of a model on bytes. 0 for
                            // a classifier
  double learning_rate = 0;
  double grad_norm = 0;     // before clipping
  double items_per_second = 0;  // real items, padding excluded
  int64_t items_total = 0;
  int64_t skipped_steps = 0;    // non-finite
  double padding_fraction = 0;
  double eta_seconds = 0;
};

struct TrainEval {
  int64_t step = 0;
  double loss = 0;           // nats per trained item of the held-out part
  double bits_per_byte = 0;  // 0 for a classifier
  int64_t items = 0;         // a classifier's: texts
  // Of a classifier alone.
  std::optional<double> accuracy;
  std::optional<double> macro_f1;
  // Of a model with n-gram heads: nats per item of heads 1, 2, ..
  std::vector<double> ngram_losses;
};

// Called on the training thread.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void OnStarted(int64_t resumed_from_step, int threads,
                         absl::string_view environment_json) = 0;
  virtual void OnProgress(const TrainProgress& progress) = 0;
  virtual void OnEval(const TrainEval& eval) = 0;
  // After the folder is durable.
  virtual void OnCheckpoint(int64_t step, absl::string_view path,
                            int64_t bytes) = 0;
  virtual void OnWarning(absl::string_view code, absl::string_view message) = 0;
  // Polled at least once per micro-batch, in evaluation and between the parts of
  // loading: a process whose polls cease hangs.
  enum class Signal { kContinue, kCancel, kCheckpointAndStop };
  virtual Signal Poll() = 0;

  // Who shares a device takes a ticket for each slice of work on it, so that it
  // never has to wait for more than one: BeginSlice waits for the ticket, unless
  // it returns a signal; EndSlice gives it back, once the device has done the work,
  // which took so long. Between slices the device is left alone but for loads and
  // saves. An observer that takes none is polled.
  virtual bool takes_tickets() const { return false; }
  virtual Signal BeginSlice() { return Poll(); }
  virtual void EndSlice(double /*seconds*/) {}
};

struct TrainRun {
  std::string job_dir;
  std::string dataset_path;
  std::string base_dir;   // version folder, or empty when base is a preset
  std::string tokenizer_path;  // of the file that the spec imports, if any
  TrainSpec spec;         // resolved
  int64_t fence = 0;      // in the names of temporary folders
  // > 0: rows of a forward pass instead of the spec's, for which there was no
  // memory. The batch stays; sums and dropout do not, to the bit.
  int64_t micro_batch = 0;
  int64_t rows_at_once() const {
    return micro_batch > 0 ? micro_batch : spec.micro_batch;
  }
  // > 0: a checkpoint at least so often, whatever the spec says.
  double save_within_seconds = 0;
  // > 0: a trainer process that has nothing else to tell says so often that it
  // goes on.
  double heartbeat_seconds = 0;
  std::string device = "cpu";  // that computes; as torch::Device reads it
  // Streams are decoded on it, too: its memory is theirs but for a part, and it is asked
  // for in slices.
  bool shares_device = false;
};

// OK: `job_dir/result` is durable. CANCELLED after kCancel; ABORTED after
// kCheckpointAndStop (the checkpoint is durable); INVALID_ARGUMENT for a bad
// spec or data; DATA_LOSS when no base can be read; RESOURCE_EXHAUSTED when the
// final save does not fit; FAILED_PRECONDITION "NON_FINITE …" after the policy
// of model/train/non_finite.h gave up, or "LEAK …" when the result sees the
// future (model/train/leak_probe.h). Warning LOSS_BELOW_FLOOR: the held-out loss
// is better than prose allows.
absl::Status RunTraining(const TrainRun& run, TrainObserver* observer);

}  // namespace strata
