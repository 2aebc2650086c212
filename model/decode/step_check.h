#pragma once
// What every executor asks of a step before anything moves, so that all refuse
// the same with the same words. Pure functions; errors are INVALID_ARGUMENT
// where nothing else is said.

#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/generator.h"
#include "model/items.h"

namespace strata {

absl::Status CheckGeneratorOptions(const GeneratorOptions& options);

absl::Status CheckCapacity(int64_t capacity, int64_t max_context);

// Items fit the sequence and the vocabulary; `logits` and `hidden` values have one of
// the three sizes of StepRow, and after as many items where neither has none.
absl::Status CheckFeed(const Sequence& sequence, absl::Span<const Item> items,
                       size_t logits, size_t hidden, const ModelConfig& config);

// After how many of its last items a row that passed wants something.
int64_t WantedItems(size_t logits, size_t hidden, const ModelConfig& config);

// Of a row whose last `drafts` items are guesses, `room` of which could be taken back;
// `logits` as of CheckFeed.
absl::Status CheckDrafts(absl::Span<const Item> items, int64_t drafts, int64_t room,
                         size_t logits, int vocab);

// FAILED_PRECONDITION where an earlier step of a sequence failed halfway.
absl::Status CheckUndamaged(bool damaged);

// No sequence twice, and at least one. Sorts `sequences`.
absl::Status CheckDistinct(std::vector<const Sequence*>* sequences);

// Of Fork: a sequence and the room of its copy.
absl::Status CheckForkCapacity(const Sequence& sequence, int64_t capacity,
                               int64_t max_context);

// Of Restore: a snapshot and what it is restored into.
absl::Status CheckSameCapacity(const Sequence& snapshot,
                               const Sequence& sequence);

}  // namespace strata
