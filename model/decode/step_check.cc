#include "model/decode/step_check.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/base/status_macros.h"

namespace strata {

absl::Status CheckGeneratorOptions(const GeneratorOptions& options) {
  if (options.threads >= 1 && options.threads <= 1024) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "threads is ", options.threads, "; must be in [1, 1024]"));
}

absl::Status CheckCapacity(int64_t capacity, int64_t max_context) {
  if (capacity >= 1 && capacity <= max_context) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "capacity is ", capacity, "; must be in [1, ", max_context, "]"));
}

namespace {

// `values`: of an output of `width` numbers an item, of a row of `items`.
absl::Status CheckOutput(absl::string_view name, size_t values, size_t width,
                         size_t items) {
  if (values == 0 || values == width || values == items * width) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(name, " has ", values, " values; must have 0, ", width,
                   " or ", items * width));
}

}  // namespace

absl::Status CheckFeed(const Sequence& sequence, absl::Span<const Item> items,
                       size_t logits, size_t hidden, const ModelConfig& config) {
  const int vocab = config.vocab;
  const size_t n = items.size();
  if (n == 0) return absl::InvalidArgumentError("a row has no items to feed");
  const int64_t room = sequence.capacity() - sequence.size();
  if (static_cast<int64_t>(n) > room) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a row feeds ", n, " items; its sequence has room for ", room));
  }
  for (const Item item : items) {
    if (item < 0 || item >= vocab) {
      return absl::InvalidArgumentError(
          absl::StrCat("item is ", item, "; must be in [0, ", vocab, ")"));
    }
  }
  const size_t dim = config.levels[0].dim;
  STRATA_RETURN_IF_ERROR(CheckOutput("logits", logits, vocab, n));
  STRATA_RETURN_IF_ERROR(CheckOutput("hidden", hidden, dim, n));
  if (logits != 0 && hidden != 0 && logits / vocab != hidden / dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("logits are wanted after ", logits / vocab,
                     " items and hidden after ", hidden / dim,
                     "; must be as many"));
  }
  return absl::OkStatus();
}

absl::Status CheckDrafts(absl::Span<const Item> items, int64_t drafts, int64_t room,
                         size_t logits, int vocab) {
  if (drafts == 0) return absl::OkStatus();
  const auto n = static_cast<int64_t>(items.size());
  if (drafts < 0 || drafts >= n || drafts > room) {
    return absl::InvalidArgumentError(absl::StrCat(
        "drafts is ", drafts, "; must be in [0, ", std::min(n - 1, room), "]"));
  }
  if (logits == items.size() * vocab) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "logits has ", logits, " values; must have ", n * vocab,
      " where items are drafts"));
}

int64_t WantedItems(size_t logits, size_t hidden, const ModelConfig& config) {
  return static_cast<int64_t>(std::max(logits / config.vocab,
                                       hidden / config.levels[0].dim));
}

absl::Status CheckUndamaged(bool damaged) {
  if (!damaged) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "an earlier step of the sequence failed halfway");
}

absl::Status CheckDistinct(std::vector<const Sequence*>* sequences) {
  if (sequences->empty()) {
    return absl::InvalidArgumentError("a step has no rows");
  }
  std::sort(sequences->begin(), sequences->end(),
            std::less<const Sequence*>());
  if (std::adjacent_find(sequences->begin(), sequences->end()) !=
      sequences->end()) {
    return absl::InvalidArgumentError("a sequence appears twice in a step");
  }
  return absl::OkStatus();
}

absl::Status CheckForkCapacity(const Sequence& sequence, int64_t capacity,
                               int64_t max_context) {
  const absl::Status status = CheckCapacity(capacity, max_context);
  if (!status.ok() || capacity >= sequence.size()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat("capacity is ", capacity, "; the sequence holds ",
                   sequence.size(), " items"));
}

absl::Status CheckSameCapacity(const Sequence& snapshot,
                               const Sequence& sequence) {
  if (snapshot.capacity() == sequence.capacity()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the snapshot has capacity ", snapshot.capacity(),
                   "; the sequence has ", sequence.capacity()));
}

}  // namespace strata
