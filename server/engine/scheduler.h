#pragma once
// Scheduler: pure policy. No thread, no lock, no clock: what is running goes in,
// what the next step feeds comes out, so that every rule is a unit test.
//
//   - Every decoding row takes part in every step, with one item.
//   - Prompts get `prefill_items` a step, which go to the prompt with the least left
//     to read, then to the next; of equal ones to the first row. Prompts that come
//     together are thus read one after another and not all of them late: eight equal
//     ones of a whole step are done after 1, 2, .. 8 steps, where sharing would end
//     each after 8.
//   - Prompts that came kLateAfter steps ago or more have a quarter of the step for
//     themselves, which they share by max-min fairness: each gets an equal part, a
//     short one takes what it needs, the rest goes to the longer. So every prompt
//     advances in the end, whoever comes. What does not divide evenly goes to the rows
//     from `turn` on, one item each; more prompts than items advance in turns.
//   - The step is up to an eighth longer where that reads a prompt to its end: a step
//     for a few items costs nearly as much as one for many.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace strata {

inline constexpr int64_t kLateAfter = 8;  // steps

struct RowLoad {
  int64_t to_read = 0;  // prompt items left; 0: the row decodes
  int64_t waited = 0;   // steps since the row began
};

// Returns how many items each row feeds; 0 = it sits this step out. The prompts' items
// sum to min(prefill_items, all that are left) at least, and to an eighth of
// prefill_items more at most. REQUIRES: prefill_items >= 1.
std::vector<int64_t> PlanStep(absl::Span<const RowLoad> rows,
                              int64_t prefill_items, int64_t turn);

// Whether a worker that runs `self` sequences should take the head of a queue of
// `queued` requests, given what the other workers run: only if it would still
// get one after those with less had been filled up to its level. So streams
// spread evenly, and an idle worker always may.
bool ShouldTake(int64_t self, absl::Span<const int64_t> others, int64_t queued);

}  // namespace strata
