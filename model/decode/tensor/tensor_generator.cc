#include "model/decode/tensor/tensor_generator.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "model/base/status_macros.h"
#include "model/decode/step_check.h"
#include "model/nn/torch_guard.h"
#include "model/nn/upload.h"

namespace strata {
namespace {

// Where what each row wants stands, in the order of the rows, once that of the rows of
// one item stands before that of the others.
std::vector<int64_t> OrderOf(absl::Span<const TensorRow> feed) {
  int64_t single = 0, other = 0;
  for (const TensorRow& row : feed) other += row.items.size() == 1 ? row.wanted : 0;
  std::vector<int64_t> order;
  for (const TensorRow& row : feed) {
    int64_t& next = row.items.size() == 1 ? single : other;
    for (int64_t i = 0; i < row.wanted; ++i) order.push_back(next++);
  }
  return order;
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
  std::vector<Progress> before;
  for (const StepRow& row : rows) {
    before.push_back(static_cast<TensorSequence*>(row.sequence)->progress());
  }
  absl::StatusOr<StepTensors> both = Run(rows);
  for (size_t i = 0; !both.ok() && i < rows.size(); ++i) {
    auto* const sequence = static_cast<TensorSequence*>(rows[i].sequence);
    *sequence->mutable_progress() = before[i];
    sequence->set_damaged(true);
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
    const c10::OptionalStreamGuard guard = model_->stream().Guard();
    StepTensors made = Compute(feed, logits, hidden);
    if (made.logits.defined()) made.logits = Download(made.logits);
    if (made.hidden.defined()) made.hidden = Download(made.hidden);
    model_->stream().Wait();
    return made;
  });
}

// Rows of one item go their own way where they can, so that a prompt beside them takes no
// more than its own time.
StepTensors TensorGenerator::Compute(absl::Span<const TensorRow> feed, bool logits,
                                     bool hidden) {
  if (model_->replay() == nullptr) return Stepped(feed, logits, hidden);
  std::vector<TensorRow> single, other;
  for (const TensorRow& row : feed) {
    (row.items.size() == 1 ? single : other).push_back(row);
  }
  const std::optional<ReplayStep::Result> replayed = model_->replay()->Run(single);
  if (!replayed.has_value()) return Stepped(feed, logits, hidden);
  StepTensors made = WantedOf(single, *replayed, logits, hidden);
  if (other.empty()) return made;
  const StepTensors stepped = Stepped(other, logits, hidden);
  const auto order = model_->Upload(OrderOf(feed));
  const auto joined = [&](const torch::Tensor& a, const torch::Tensor& b) {
    if (!a.defined() || !b.defined()) return a.defined() ? a : b;
    return at::cat({a, b}).index_select(0, order);
  };
  return {joined(made.logits, stepped.logits), joined(made.hidden, stepped.hidden)};
}

StepTensors TensorGenerator::Stepped(absl::Span<const TensorRow> feed, bool logits,
                                     bool hidden) {
  const auto contexts = TensorStep(model_).Run(feed);
  if (!contexts.defined()) return {};
  return {logits ? model_->net().Head(contexts) : torch::Tensor(),
          hidden ? contexts : torch::Tensor()};
}

// Those of the rows that want any.
StepTensors TensorGenerator::WantedOf(absl::Span<const TensorRow> feed,
                                      const ReplayStep::Result& replayed, bool logits,
                                      bool hidden) {
  std::vector<int64_t> wanted;
  for (size_t i = 0; i < feed.size(); ++i) {
    if (feed[i].wanted > 0) wanted.push_back(static_cast<int64_t>(i));
  }
  if (wanted.empty()) return {};
  const bool all = wanted.size() == feed.size();
  const auto chosen = all ? torch::Tensor() : model_->Upload(wanted);
  const auto of = [&](const torch::Tensor& x) {
    return all ? x : x.index_select(0, chosen);
  };
  return {logits ? of(replayed.logits) : torch::Tensor(),
          hidden ? of(replayed.hidden) : torch::Tensor()};
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
