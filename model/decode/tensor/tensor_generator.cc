#include "model/decode/tensor/tensor_generator.h"

#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <utility>

#include "model/base/status_macros.h"
#include "model/decode/step_check.h"
#include "model/decode/tensor/tensor_step.h"
#include "model/nn/torch_guard.h"

namespace strata {

absl::StatusOr<std::unique_ptr<Sequence>> TensorGenerator::NewSequence(
    int64_t capacity) {
  STRATA_RETURN_IF_ERROR(
      CheckCapacity(capacity, model_->config().max_context));
  return model_->NewSequence(capacity);
}

absl::StatusOr<std::unique_ptr<Sequence>> TensorGenerator::Fork(
    const Sequence& sequence, int64_t capacity) {
  STRATA_ASSIGN_OR_RETURN(const TensorSequence* const from, Own(&sequence));
  STRATA_RETURN_IF_ERROR(
      CheckForkCapacity(*from, capacity, model_->config().max_context));
  STRATA_ASSIGN_OR_RETURN(auto copy, model_->NewSequence(capacity));
  STRATA_RETURN_IF_ERROR(model_->Copy(*from, copy.get()));
  return copy;
}

absl::Status TensorGenerator::Restore(const Sequence& snapshot,
                                      Sequence* sequence) {
  STRATA_ASSIGN_OR_RETURN(const TensorSequence* const from, Own(&snapshot));
  STRATA_ASSIGN_OR_RETURN(TensorSequence* const to, Own(sequence));
  STRATA_RETURN_IF_ERROR(CheckSameCapacity(*from, *to));
  return from == to ? absl::OkStatus() : model_->Copy(*from, to);
}

absl::Status TensorGenerator::Step(absl::Span<const StepRow> rows) {
  STRATA_ASSIGN_OR_RETURN(const torch::Tensor exact, StepExact(rows));
  if (!exact.defined()) return absl::OkStatus();
  return TorchGuard([&] {
    const auto logits = exact.to(torch::kFloat).contiguous();
    const float* from = logits.const_data_ptr<float>();
    for (const StepRow& row : rows) {
      std::copy_n(from, row.logits.size(), row.logits.data());
      from += row.logits.size();
    }
  });
}

absl::StatusOr<torch::Tensor> TensorGenerator::StepExact(
    absl::Span<const StepRow> rows) {
  STRATA_RETURN_IF_ERROR(CheckAll(rows));
  absl::StatusOr<torch::Tensor> logits = Run(rows);
  if (!logits.ok()) {
    for (const StepRow& row : rows) {
      static_cast<TensorSequence*>(row.sequence)->set_damaged(true);
    }
  }
  return logits;
}

absl::StatusOr<torch::Tensor> TensorGenerator::Run(
    absl::Span<const StepRow> rows) {
  const int64_t vocab = model_->config().vocab;
  std::vector<TensorRow> feed;
  for (const StepRow& row : rows) {
    feed.push_back({static_cast<TensorSequence*>(row.sequence), row.items,
                    static_cast<int64_t>(row.logits.size()) / vocab});
  }
  return TorchGuard([&]() -> torch::Tensor {
    if (model_->device().is_cpu() && at::get_num_threads() != threads_) {
      at::set_num_threads(threads_);
    }
    const c10::DeviceGuard guard(model_->device());
    MutexLock lock(&model_->mutex());
    const auto logits = TensorStep(model_).Run(feed);
    return logits.defined() ? logits.cpu() : logits;
  });
}

absl::StatusOr<TensorSequence*> TensorGenerator::Own(
    const Sequence* sequence) const {
  if (sequence == nullptr) {
    return absl::InvalidArgumentError("sequence is null");
  }
  auto* own = dynamic_cast<const TensorSequence*>(sequence);
  if (own == nullptr || own->model() != model_) {
    return absl::InvalidArgumentError("the sequence belongs to another model");
  }
  return const_cast<TensorSequence*>(own);
}

absl::Status TensorGenerator::CheckAll(absl::Span<const StepRow> rows) {
  std::vector<const Sequence*> seen;
  for (const StepRow& row : rows) {
    STRATA_ASSIGN_OR_RETURN(const TensorSequence* const own,
                            Own(row.sequence));
    STRATA_RETURN_IF_ERROR(CheckFeed(*own, row.items, row.logits.size(),
                                     model_->config().vocab));
    STRATA_RETURN_IF_ERROR(CheckUndamaged(own->damaged()));
    STRATA_RETURN_IF_ERROR(CheckDrafts(row.items, row.drafts, 0, row.logits.size(),
                                       model_->config().vocab));
    seen.push_back(own);
  }
  return CheckDistinct(&seen);
}

}  // namespace strata
