#pragma once
// At which threshold items may leave a finished model early (model/nn/exit_heads.h), on
// text that it was not trained on: Learn then Test (Angelopoulos et al. 2021, arXiv
// 2110.01052) by fixed-sequence testing, as CALM calibrates.
//
// Thresholds are tried from the safest down. At each the held-out rows are read with the
// exits open, copied states and all; d[r] is by how much the mean loss of row r grows
// over that of the same row with nobody leaving. The first threshold with
//
//   mean of d + 1.645 * deviation of d / sqrt(rows) > exit_tolerance
//
// ends the search: the one before it is taken, or kNoExit. So, where rows are draws from
// the text that will be served, independent and enough of them for the normal bound, a
// threshold that costs more than `exit_tolerance` nats an item is taken in at most 5 of
// 100 trainings, however many are tried. Thread-compatible.

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/train/evaluate.h"

namespace strata {

inline constexpr int64_t kLeastExitRows = 8;  // with fewer nobody leaves

struct ExitThreshold {
  double threshold = 1;  // kNoExit
  double cost = 0;       // mean of d
  double layers = 0;     // of the decoder, that an item passes on average
  int64_t rows = 0;      // looked at
};

// The model is left with its exits open at that threshold, and in training mode.
// `options`, `poll`: as of Evaluate.
absl::StatusOr<ExitThreshold> FindExitThreshold(
    HierarchicalTransformer& model, absl::Span<const Document> held_out,
    const EvalOptions& options, const std::function<absl::Status()>& poll);

}  // namespace strata
