#pragma once
// Sampling: from logits to the next item. Randomness is a function of
// (seed, position) alone (model/base/random.h), so batch-mates, workers and
// snapshots never change a result. Order of the steps: repetition penalty,
// temperature, top-k, top-p, min-p, draw by inverse CDF. kSos, kSep and kPad
// are never drawn; kEos is unless ignore_eos. Ties are broken towards the
// smaller item, and top-k keeps exactly k.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/items.h"

namespace strata {

struct SamplingParams {
  double temperature = 1.0;         // 0 = greedy; [0, 100]
  int top_k = 0;                    // 0 = off; [0, vocab]
  double top_p = 1.0;               // (0, 1]
  double min_p = 0.0;               // [0, 1]
  double repetition_penalty = 1.0;  // (0, 10]; 1 = off
  int repetition_window = 64;       // last items looked at; [0, 4096]
  uint64_t seed = 0;
  bool ignore_eos = false;
};

// INVALID_ARGUMENT that names the field, the value and the range.
absl::Status ValidateSampling(const SamplingParams& params, int vocab = kVocab);

// Draws the item at absolute position `position` of the sequence. `logits`:
// [vocab], at least kVocab of them, -inf allowed; `recent`: the last repetition_window
// items or fewer, oldest first. INTERNAL where a logit is NaN or +inf, or all are -inf.
// `log_prob`, if not null, gets the natural log of the item's probability under the
// unmodified softmax.
absl::StatusOr<Item> SampleItem(absl::Span<const float> logits,
                                const SamplingParams& params, int64_t position,
                                absl::Span<const Item> recent,
                                float* log_prob = nullptr);

// ln sum exp(logits) = top + log_sum, accumulated in double. REQUIRES: not empty.
struct LogNormaliser {
  double top = 0;
  double log_sum = 0;
};
LogNormaliser NormaliserOf(absl::Span<const float> logits);

// ln softmax(logits)[item], accumulated in double.
double LogProb(absl::Span<const float> logits, Item item);

}  // namespace strata
