#pragma once
// DraftPolicy: how many guesses are worth feeding with a stream's next item. Reading
// one more item in a step costs little where a step waits for weights, as a lone
// stream's does, but not nothing, so guesses are made only as far as they are likely
// to hold (Leviathan et al., "Fast Inference from Transformers via Speculative
// Decoding", 2211.17192, choose their number by the same rate).
//
// Pure policy, one for each stream, like scheduler.h: no thread, no lock, no clock.
// What it says depends on what it was told alone.

#include <cstdint>

namespace strata {

class DraftPolicy {
 public:
  // At most `most`: as many as hold together with a chance that is worth it; where not
  // even one does, one now and then, to see whether that has changed.
  int64_t Suggest(int64_t most);
  // Of `guesses` fed in order the first `accepted` held.
  void Note(int64_t guesses, int64_t accepted);

  // The chance that a guess holds whose predecessors did.
  double rate() const { return rate_; }

 private:
  double rate_ = 0.7;
  int64_t steps_without_ = 0;
};

}  // namespace strata
