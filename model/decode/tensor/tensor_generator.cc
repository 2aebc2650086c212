#include "model/decode/tensor/tensor_generator.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "model/base/status_macros.h"
#include "model/decode/step_check.h"
#include "model/decode/tensor/replay_step.h"
#include "model/decode/tensor/upload.h"
#include "model/nn/torch_guard.h"

namespace strata {
namespace {

// Of rows that feed one item each.
std::vector<int64_t> WantedRows(absl::Span<const TensorRow> feed) {
  std::vector<int64_t> wanted;
  for (size_t i = 0; i < feed.size(); ++i) {
    if (feed[i].wanted > 0) wanted.push_back(static_cast<int64_t>(i));
  }
  return wanted;
}

}  // namespace

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
  STRATA_ASSIGN_OR_RETURN(const StepTensors exact, StepBoth(rows));
  return TorchGuard([&] {
    CopyOut(exact.logits, model_->config().vocab, &StepRow::logits, rows);
    CopyOut(exact.hidden, model_->config().levels[0].dim, &StepRow::hidden, rows);
  });
}

void TensorGenerator::CopyOut(const torch::Tensor& values, int64_t width,
                              absl::Span<float> StepRow::*output,
                              absl::Span<const StepRow> rows) const {
  if (!values.defined()) return;
  const auto floats = values.to(torch::kFloat).contiguous();
  const float* from = floats.const_data_ptr<float>();
  for (const StepRow& row : rows) {
    const absl::Span<float> to = row.*output;
    std::copy_n(from, to.size(), to.data());
    from += WantedItems(row.logits.size(), row.hidden.size(), model_->config()) * width;
  }
}

absl::StatusOr<torch::Tensor> TensorGenerator::StepExact(
    absl::Span<const StepRow> rows) {
  STRATA_ASSIGN_OR_RETURN(const StepTensors both, StepBoth(rows));
  return both.logits;
}

absl::StatusOr<StepTensors> TensorGenerator::StepBoth(
    absl::Span<const StepRow> rows) {
  STRATA_RETURN_IF_ERROR(CheckAll(rows));
  absl::StatusOr<StepTensors> both = Run(rows);
  if (!both.ok()) {
    for (const StepRow& row : rows) {
      static_cast<TensorSequence*>(row.sequence)->set_damaged(true);
    }
  }
  return both;
}

absl::StatusOr<StepTensors> TensorGenerator::Run(
    absl::Span<const StepRow> rows) {
  std::vector<TensorRow> feed;
  bool logits = false, hidden = false;
  for (const StepRow& row : rows) {
    feed.push_back({static_cast<TensorSequence*>(row.sequence), row.items,
                    WantedItems(row.logits.size(), row.hidden.size(),
                                model_->config())});
    logits = logits || !row.logits.empty();
    hidden = hidden || !row.hidden.empty();
  }
  return TorchGuard([&]() -> StepTensors {
    if (model_->device().is_cpu() && at::get_num_threads() != threads_) {
      at::set_num_threads(threads_);
    }
    const torch::NoGradGuard no_grad;
    MutexLock lock(&model_->mutex());
    const c10::OptionalStreamGuard guard = model_->OnStream();
    StepTensors made = Compute(feed, logits, hidden);
    if (made.logits.defined()) made.logits = Download(made.logits);
    if (made.hidden.defined()) made.hidden = Download(made.hidden);
    model_->Wait();
    return made;
  });
}

StepTensors TensorGenerator::Compute(absl::Span<const TensorRow> feed, bool logits,
                                     bool hidden) {
  torch::Tensor contexts, scores;
  std::optional<ReplayStep::Result> replayed;
  if (model_->replay() != nullptr) replayed = model_->replay()->Run(feed);
  if (!replayed.has_value()) {
    contexts = TensorStep(model_).Run(feed);
    if (!contexts.defined()) return {};
    if (logits) scores = model_->net().Head(contexts);
  } else {
    const std::vector<int64_t> wanted = WantedRows(feed);
    if (wanted.empty()) return {};
    const bool all = wanted.size() == feed.size();
    const auto chosen = all ? torch::Tensor() : model_->Upload(wanted);
    const auto of = [&](const torch::Tensor& x) { return all ? x : x.index_select(0, chosen); };
    if (hidden) contexts = of(replayed->hidden);
    if (logits) scores = of(replayed->logits);
  }
  return {scores, hidden ? contexts : torch::Tensor()};
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
                                     row.hidden.size(), model_->config()));
    STRATA_RETURN_IF_ERROR(CheckUndamaged(own->damaged()));
    STRATA_RETURN_IF_ERROR(CheckDrafts(row.items, row.drafts, 0, row.logits.size(),
                                       model_->config().vocab));
    seen.push_back(own);
  }
  return CheckDistinct(&seen);
}

}  // namespace strata
