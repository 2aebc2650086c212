#pragma once
// Phase: where in its block a stream stands. Streams in the same phase complete their
// blocks in the same steps, so that the weights of the levels above are read once for
// all of them, and in the other steps not at all; streams in all phases have them read
// in every step. A stream's phase never changes against another's, so it is chosen once:
// a new stream waits with its second item until those that run are in its phase, which
// they are within a block. Its first item waits for nobody.
//
// Pure policy, like scheduler.h: no thread, no lock, no clock.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/model_config.h"

namespace strata {

// Streams whose sizes are equal modulo this are in phase: the longest block of bytes,
// of all levels, for which nobody waits more than `wait` steps. 1 where there is none,
// or where the text decides how long units are.
int64_t PhasePeriod(const ModelConfig& config, int64_t wait);

// A stream whose prompt is read.
struct PhasedRow {
  const void* model = nullptr;  // streams of different models do not wait for each other
  int64_t size = 0;             // items that its state holds
  int64_t period = 1;
  bool joined = false;          // it has taken part in a step since its prompt was read
};

// Which of them sit this step out. Those that joined never do, and they are in phase
// with each other as long as only this function lets them join; where none has, the
// first stream of a model sets the phase.
std::vector<bool> HeldForPhase(absl::Span<const PhasedRow> rows);

}  // namespace strata
