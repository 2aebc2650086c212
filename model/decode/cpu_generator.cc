#include "model/decode/cpu_generator.h"

#include <algorithm>
#include <new>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/decode/step_check.h"

namespace strata {

template <typename T>
absl::StatusOr<std::unique_ptr<Sequence>> CpuGenerator<T>::NewSequence(
    int64_t capacity) {
  STRATA_RETURN_IF_ERROR(
      CheckCapacity(capacity, model_->config().max_context));
  STRATA_ASSIGN_OR_RETURN(
      auto sequence, CpuSequence<T>::Allocate(&model_->config(), capacity,
                                              model_->cache_type()));
  sequence->CopyFrom(model_->origin());
  return sequence;
}

template <typename T>
absl::StatusOr<std::unique_ptr<Sequence>> CpuGenerator<T>::Fork(
    const Sequence& sequence, int64_t capacity) {
  STRATA_ASSIGN_OR_RETURN(CpuSequence<T>* const from, Own(&sequence));
  STRATA_RETURN_IF_ERROR(
      CheckForkCapacity(*from, capacity, model_->config().max_context));
  STRATA_ASSIGN_OR_RETURN(
      auto copy, CpuSequence<T>::Allocate(&model_->config(), capacity,
                                          model_->cache_type()));
  copy->CopyFrom(*from);
  return copy;
}

template <typename T>
absl::Status CpuGenerator<T>::Restore(const Sequence& snapshot,
                                      Sequence* sequence) {
  STRATA_ASSIGN_OR_RETURN(CpuSequence<T>* const from, Own(&snapshot));
  STRATA_ASSIGN_OR_RETURN(CpuSequence<T>* const to, Own(sequence));
  STRATA_RETURN_IF_ERROR(CheckSameCapacity(*from, *to));
  if (from != to) to->CopyFrom(*from);
  return absl::OkStatus();
}

template <typename T>
absl::Status CpuGenerator<T>::Step(absl::Span<const StepRow> rows) {
  STRATA_RETURN_IF_ERROR(CheckAll(rows));
  feed_.clear();
  if constexpr (std::is_same_v<T, float>) {
    for (const StepRow& row : rows) {
      feed_.push_back({static_cast<CpuSequence<T>*>(row.sequence), row.items,
                       row.logits, row.hidden, row.drafts});
    }
    return RunStep();
  } else {
    size_t total = 0;
    for (const StepRow& row : rows) total += row.logits.size() + row.hidden.size();
    std::vector<T> exact(total);
    absl::Span<T> room = absl::MakeSpan(exact);
    const auto take = [&room](size_t values) {
      const absl::Span<T> taken = room.first(values);
      room.remove_prefix(values);
      return taken;
    };
    for (const StepRow& row : rows) {
      const absl::Span<T> logits = take(row.logits.size());
      feed_.push_back({static_cast<CpuSequence<T>*>(row.sequence), row.items,
                       logits, take(row.hidden.size()), row.drafts});
    }
    STRATA_RETURN_IF_ERROR(RunStep());
    for (size_t i = 0; i < rows.size(); ++i) {
      std::copy(feed_[i].logits.begin(), feed_[i].logits.end(), rows[i].logits.begin());
      std::copy(feed_[i].hidden.begin(), feed_[i].hidden.end(), rows[i].hidden.begin());
    }
    return absl::OkStatus();
  }
}

template <typename T>
absl::Status CpuGenerator<T>::StepExact(absl::Span<const ExactRow> rows) {
  STRATA_RETURN_IF_ERROR(CheckAll(rows));
  feed_.clear();
  for (const ExactRow& row : rows) {
    feed_.push_back({static_cast<CpuSequence<T>*>(row.sequence), row.items,
                     row.logits, row.hidden, row.drafts});
  }
  return RunStep();
}

template <typename T>
absl::Status CpuGenerator<T>::Draft(absl::Span<DraftRow> rows) {
  seen_.clear();
  for (const DraftRow& row : rows) {
    STRATA_ASSIGN_OR_RETURN(const CpuSequence<T>* const own, Own(row.sequence));
    STRATA_RETURN_IF_ERROR(CheckUndamaged(own->damaged()));
    seen_.push_back(own);
  }
  STRATA_RETURN_IF_ERROR(CheckDistinct(&seen_));
  return step_.Draft(rows);
}

template <typename T>
absl::Status CpuGenerator<T>::Rewind(Sequence* sequence, int64_t items) {
  STRATA_ASSIGN_OR_RETURN(CpuSequence<T>* const own, Own(sequence));
  STRATA_RETURN_IF_ERROR(CheckUndamaged(own->damaged()));
  if (items < 0 || items > own->rewind()->drafts()) {
    return absl::FailedPreconditionError(
        absl::StrCat(items, " items are to be taken back; ",
                     own->rewind()->drafts(), " were fed as drafts"));
  }
  own->rewind()->TakeBack(items, own);
  return absl::OkStatus();
}

// What a step plans grows with what it is fed, and is not all reserved beforehand.
template <typename T>
absl::Status CpuGenerator<T>::RunStep() {
  try {
    return step_.Run(feed_);
  } catch (const std::bad_alloc&) {
    for (const FeedRow<T>& row : feed_) row.sequence->set_damaged(true);
    return absl::ResourceExhaustedError("no memory for a step");
  }
}

template <typename T>
absl::StatusOr<CpuSequence<T>*> CpuGenerator<T>::Own(
    const Sequence* sequence) const {
  if (sequence == nullptr) {
    return absl::InvalidArgumentError("sequence is null");
  }
  auto* own = dynamic_cast<const CpuSequence<T>*>(sequence);
  if (own == nullptr || &own->config() != &model_->config()) {
    return absl::InvalidArgumentError("the sequence belongs to another model");
  }
  return const_cast<CpuSequence<T>*>(own);
}

template <typename T>
template <typename Row>
absl::Status CpuGenerator<T>::CheckGuesses(const CpuSequence<T>& sequence,
                                           const Row& row) const {
  const auto n = static_cast<int64_t>(row.items.size());
  const int64_t guesses = std::clamp<int64_t>(row.drafts, 0, n);
  return CheckDrafts(
      row.items, row.drafts,
      RewindRecord<T>::Room(sequence, row.items.first(n - guesses),
                            row.items.last(guesses)),
      row.logits.size(), model_->config().vocab);
}

template <typename T>
template <typename Row>
absl::Status CpuGenerator<T>::CheckAll(absl::Span<const Row> rows) {
  seen_.clear();
  for (const Row& row : rows) {
    STRATA_ASSIGN_OR_RETURN(const CpuSequence<T>* const own, Own(row.sequence));
    STRATA_RETURN_IF_ERROR(CheckFeed(*own, row.items, row.logits.size(),
                                     row.hidden.size(), model_->config()));
    STRATA_RETURN_IF_ERROR(CheckUndamaged(own->damaged()));
    if (row.drafts != 0) STRATA_RETURN_IF_ERROR(CheckGuesses(*own, row));
    seen_.push_back(own);
  }
  return CheckDistinct(&seen_);
}

template class CpuGenerator<float>;
template class CpuGenerator<double>;

}  // namespace strata
