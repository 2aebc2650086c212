#include "model/decode/cpu_generator.h"

#include <algorithm>
#include <functional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"

namespace strata {

template <typename T>
absl::StatusOr<std::unique_ptr<Sequence>> CpuGenerator<T>::NewSequence(
    int64_t capacity) {
  const int64_t limit = model_->config().max_context;
  if (capacity < 1 || capacity > limit) {
    return absl::InvalidArgumentError(absl::StrCat(
        "capacity is ", capacity, "; must be in [1, ", limit, "]"));
  }
  STRATA_ASSIGN_OR_RETURN(
      auto sequence, CpuSequence<T>::Allocate(&model_->config(), capacity));
  sequence->CopyFrom(model_->origin());
  return sequence;
}

template <typename T>
absl::StatusOr<std::unique_ptr<Sequence>> CpuGenerator<T>::Fork(
    const Sequence& sequence) {
  STRATA_ASSIGN_OR_RETURN(CpuSequence<T>* const from, Own(&sequence));
  STRATA_ASSIGN_OR_RETURN(auto copy, CpuSequence<T>::Allocate(
                                         &model_->config(), from->capacity()));
  copy->CopyFrom(*from);
  return copy;
}

template <typename T>
absl::Status CpuGenerator<T>::Restore(const Sequence& snapshot,
                                      Sequence* sequence) {
  STRATA_ASSIGN_OR_RETURN(CpuSequence<T>* const from, Own(&snapshot));
  STRATA_ASSIGN_OR_RETURN(CpuSequence<T>* const to, Own(sequence));
  if (from->capacity() != to->capacity()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the snapshot has capacity ", from->capacity(),
                     "; the sequence has ", to->capacity()));
  }
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
                       row.logits});
    }
    return step_.Run(feed_);
  } else {
    size_t total = 0;
    for (const StepRow& row : rows) total += row.logits.size();
    std::vector<T> exact(total);
    size_t at = 0;
    for (const StepRow& row : rows) {
      feed_.push_back({static_cast<CpuSequence<T>*>(row.sequence), row.items,
                       absl::MakeSpan(exact).subspan(at, row.logits.size())});
      at += row.logits.size();
    }
    STRATA_RETURN_IF_ERROR(step_.Run(feed_));
    at = 0;
    for (const StepRow& row : rows) {
      for (float& logit : row.logits) logit = static_cast<float>(exact[at++]);
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
                     row.logits});
  }
  return step_.Run(feed_);
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
absl::Status CpuGenerator<T>::Check(const Row& row) const {
  STRATA_ASSIGN_OR_RETURN(const CpuSequence<T>* const own, Own(row.sequence));
  const size_t n = row.items.size();
  if (n == 0) return absl::InvalidArgumentError("a row has no items to feed");
  const int64_t room = own->capacity() - own->size();
  if (static_cast<int64_t>(n) > room) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a row feeds ", n, " items; its sequence has room for ", room));
  }
  const int vocab = model_->config().vocab;
  for (const Item item : row.items) {
    if (item < 0 || item >= vocab) {
      return absl::InvalidArgumentError(
          absl::StrCat("item is ", item, "; must be in [0, ", vocab, ")"));
    }
  }
  const size_t logits = row.logits.size();
  if (logits != 0 && logits != static_cast<size_t>(vocab) &&
      logits != n * vocab) {
    return absl::InvalidArgumentError(
        absl::StrCat("logits has ", logits, " values; must have 0, ", vocab,
                     " or ", n * vocab));
  }
  return absl::OkStatus();
}

template <typename T>
template <typename Row>
absl::Status CpuGenerator<T>::CheckAll(absl::Span<const Row> rows) {
  if (rows.empty()) return absl::InvalidArgumentError("a step has no rows");
  seen_.clear();
  for (const Row& row : rows) {
    STRATA_RETURN_IF_ERROR(Check(row));
    seen_.push_back(row.sequence);
  }
  std::sort(seen_.begin(), seen_.end(), std::less<const Sequence*>());
  if (std::adjacent_find(seen_.begin(), seen_.end()) != seen_.end()) {
    return absl::InvalidArgumentError("a sequence appears twice in a step");
  }
  return absl::OkStatus();
}

template class CpuGenerator<float>;
template class CpuGenerator<double>;

}  // namespace strata
