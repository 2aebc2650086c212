#pragma once
// Scheduler: pure policy. No thread, no lock, no clock: what is running goes in,
// what the next step feeds comes out, so that every rule is a unit test.
//
//   - Every decoding row takes part in every step, with one item.
//   - Prompts get `prefill_items` a step. A quarter they share by max-min fairness:
//     each gets an equal part, a short one takes what it needs, the rest goes to the
//     longer. So every prompt advances, whoever comes. What does not divide evenly goes
//     to the rows from `turn` on, one item each; more prompts than items advance in
//     turns.
//   - The other three quarters go to the prompt with the least left to read, then to the
//     next; of equal ones to the first row. Prompts that come together are thus read
//     one after another and not all of them late: eight equal ones of a whole step are
//     done after 2, 3, .. 8 and 8 steps, where sharing all would end each after 8.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace strata {

// `prefill_remaining[r]`: prompt items that row r has still to read; 0 = it
// decodes. Returns how many items each row feeds; 0 = it sits this step out.
// The prompts' items sum to min(prefill_items, all that remain).
// REQUIRES: prefill_items >= 1.
std::vector<int64_t> PlanStep(absl::Span<const int64_t> prefill_remaining,
                              int64_t prefill_items, int64_t turn);

// Whether a worker that runs `self` sequences should take the head of a queue of
// `queued` requests, given what the other workers run: only if it would still
// get one after those with less had been filled up to its level. So streams
// spread evenly, and an idle worker always may.
bool ShouldTake(int64_t self, absl::Span<const int64_t> others, int64_t queued);

}  // namespace strata
