#pragma once
// The loop: batches in, weights out. One object is one attempt; everything that
// must survive it is in TrainState, the weights and the optimizer's tensors.
//
//   step k   rows <- task(cursor)          loss = mean over the trained items, and
//                                          what the spec adds to it
//            per micro-batch: seed dropout with (seed, k, micro-batch), backward
//            judge loss and norm; clip; AdamW(learning rate(k))
//
// A micro-batch, what follows the last one of a step, and a forward pass of an
// evaluation are a slice of work on the device each (model/train/slice.h).
//
// Single thread. Not reusable.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/base/clock.h"
#include "model/train/adamw.h"
#include "model/train/checkpoint.h"
#include "model/train/slice.h"
#include "model/train/train_hooks.h"
#include "model/train/train_rate.h"
#include "model/train/train_state.h"
#include "model/train/train_task.h"
#include "model/trainer.h"

namespace strata {

class TrainLoop {
 public:
  // REQUIRES: the arguments outlive the loop.
  TrainLoop(const TrainRun& run, TrainObserver* observer,
            const TrainHooks& hooks, TrainTask* task,
            CheckpointStore* checkpoints);

  // To the last step. OK: `final_eval()` is that of the weights now in the
  // model. CANCELLED, ABORTED, FAILED_PRECONDITION as RunTraining says.
  absl::Status Run();
  const TrainEval& final_eval() const { return eval_; }

 private:
  struct StepResult {
    double loss = 0;
    double grad_norm = 0;
    RowCounts counts;
    DataWindow rows;
  };

  absl::Status Poll();
  absl::Status BeginSlice();
  // The first valid checkpoint of `steps`, or the base.
  absl::Status Restore(const std::vector<int64_t>& steps);
  absl::Status RestoreCheckpoint(int64_t step);
  absl::StatusOr<StepResult> ForwardBackward();
  // Its part of the loss, which the device may still be computing.
  absl::StatusOr<torch::Tensor> MicroBatch(int64_t begin, int64_t end);
  absl::Status FinishStep(const StepResult& result);
  absl::Status RollBack();
  void ReportProgress(const StepResult& result, double learning_rate);
  absl::Status EvaluateIfDue();
  absl::Status SaveIfDue();
  absl::Status Save();
  absl::Status StopWith(absl::Status signal);
  // What a checkpoint holds beside the model: the optimizer's tensors, the weights
  // that training alone has, and what its steps carry.
  std::vector<NamedParameter> TrainingTensors() const;

  const TrainRun& run_;
  TrainObserver* const observer_;
  const TrainHooks& hooks_;
  TrainTask* const task_;
  CheckpointStore* const checkpoints_;

  std::vector<NamedParameter> weights_;
  AdamW optimizer_;
  Slices slices_;
  TrainState state_;
  NonFinitePolicy policy_;
  TrainRate rate_;
  MonotonicTime step_begin_;
  TrainEval eval_;
  int64_t evaluated_step_ = -1;
  int64_t saved_step_ = -1;  // newest durable checkpoint of this attempt
  MonotonicTime last_save_;
  bool save_failed_ = false;
  MonotonicTime retry_save_at_;
};

}  // namespace strata
