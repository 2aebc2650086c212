#pragma once
// TrainTask: what a run trains, apart from how: a model, its data in rows, the
// loss of some of them, the evaluation, the files. TrainLoop knows nothing else,
// so every kind of model gets the same checkpoints, resume and policies.
//
// Rows are handed out by a cursor of two numbers; the order of an epoch is a pure
// function of (spec, data, epoch). Thread-compatible. Functions that return no
// Status may throw what LibTorch throws.

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/train/adamw.h"
#include "model/train/data_cursor.h"
#include "model/trainer.h"

namespace strata {

// What a batch has, for the report.
struct RowCounts {
  int64_t rows = 0;
  int64_t items = 0;  // without padding
  int64_t slots = 0;  // with padding
};

// Scalars with gradient: the same one twice where nothing helps the loss along.
struct TaskLoss {
  torch::Tensor minimised;
  torch::Tensor reported;  // the loss alone, so that specs compare
};

class TrainTask {
 public:
  virtual ~TrainTask() = default;

  virtual torch::nn::Module& module() = 0;
  // Recorded in checkpoints: changes whenever the same cursor would mean other
  // rows.
  virtual int packing_version() const = 0;

  virtual bool empty() = 0;  // there is nothing to train on
  // Draws the next `rows` rows, jumping over `skip`, and moves the cursor behind
  // them. REQUIRES: !empty().
  virtual RowCounts Next(int64_t rows, absl::Span<const DataWindow> skip,
                         DataCursor* cursor) = 0;
  // Trained items of those drawn last for each byte that they stand for (a special
  // counts as one), which makes the loss bits per byte; 0 where it counts no text.
  virtual double items_per_byte() const = 0;
  // The part of rows [begin, end) of those drawn last in their mean loss.
  // REQUIRES: the module is in training mode.
  virtual TaskLoss Loss(int64_t begin, int64_t end) = 0;

  // The step over the rows drawn last is over; `applied` says whether it changed the
  // weights. Not called where a step was broken off, which is repeated.
  virtual void EndStep(bool /*applied*/) {}
  // What a step leaves for the next, by names in a checkpoint, sharing memory.
  virtual std::vector<NamedParameter> CarriedTensors() { return {}; }

  virtual bool has_held_out() const = 0;
  // `poll` runs before every forward pass; what it returns ends the evaluation.
  // The module is left in training mode.
  virtual absl::StatusOr<TrainEval> Evaluate(
      const std::function<absl::Status()>& poll) = 0;
  // Whether the finished model may be published; warns of what is odd.
  virtual absl::Status CheckResult(const TrainEval& eval,
                                   TrainObserver* observer) = 0;

  // Those that training alone has, by their names in a checkpoint, sharing memory:
  // they are trained as the module's are, and no model has them.
  virtual std::vector<NamedParameter> TrainingWeights() { return {}; }
  // Fills the weights with those that the run starts from, at step 0.
  virtual absl::Status ResetWeights() = 0;
  virtual absl::Status SaveWeights(const std::string& path) const = 0;
  virtual absl::Status LoadWeights(const std::string& path) = 0;
  // Of the result: its dropout is the base's own.
  virtual std::string config_json() const = 0;
  virtual std::string template_json() const = 0;
  // Of the result; empty where it reads bytes.
  virtual std::string tokenizer_file() const { return ""; }
};

}  // namespace strata
