#pragma once
// The tensor executor of one worker: checks every row of a step before anything
// moves, then runs TensorStep on its device. Owns nothing of the model, which
// outlives it. Single owner thread. A sequence whose step failed halfway (memory
// that ran out) is refused from then on, with FAILED_PRECONDITION, until a
// Restore.

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/decode/tensor/device_model.h"
#include "model/decode/tensor/replay_step.h"
#include "model/decode/tensor/tensor_sequence.h"
#include "model/decode/tensor/tensor_step.h"
#include "model/generator.h"

namespace strata {

// What a step gives, of all wanted items one after another, in the model's own type on
// the CPU; undefined where no row wants it.
struct StepTensors {
  torch::Tensor logits;  // [wanted, V]
  torch::Tensor hidden;  // [wanted, D]
};

class TensorGenerator final : public Generator {
 public:
  // `threads`: of LibTorch on the CPU; a GPU has no use for them.
  TensorGenerator(DeviceModel* model, int threads)
      : model_(model), threads_(threads) {}

  absl::StatusOr<std::unique_ptr<Sequence>> NewSequence(
      int64_t capacity) override;
  using Generator::Fork;
  absl::StatusOr<std::unique_ptr<Sequence>> Fork(const Sequence& sequence,
                                                 int64_t capacity) override;
  absl::Status Restore(const Sequence& snapshot, Sequence* sequence) override;
  absl::Status Step(absl::Span<const StepRow> rows) override;

  // Step with what it gives as it is; what tests compare. `logits` and `hidden` of the
  // rows only say how many are wanted.
  absl::StatusOr<StepTensors> StepBoth(absl::Span<const StepRow> rows);
  // Its logits alone.
  absl::StatusOr<torch::Tensor> StepExact(absl::Span<const StepRow> rows);

 private:
  absl::StatusOr<TensorSequence*> Own(const Sequence* sequence) const;
  absl::Status CheckAll(absl::Span<const StepRow> rows);
  absl::StatusOr<StepTensors> Run(absl::Span<const StepRow> rows);
  // What the rows want of a step, on the device; undefined where none wants it.
  StepTensors Compute(absl::Span<const TensorRow> feed, bool logits, bool hidden);
  StepTensors Stepped(absl::Span<const TensorRow> feed, bool logits, bool hidden);
  StepTensors WantedOf(absl::Span<const TensorRow> feed, const ReplayStep::Result& replayed,
                       bool logits, bool hidden);
  // `values` [wanted, width] into an output of the rows that want it. May throw.
  void CopyOut(const torch::Tensor& values, int64_t width,
               absl::Span<float> StepRow::*output,
               absl::Span<const StepRow> rows) const;

  DeviceModel* const model_;
  const int threads_;
};

}  // namespace strata
