#pragma once
// The progress of a job for a person: on a terminal one line that is redrawn,
// with everything worth keeping (evaluations, checkpoints, warnings, states)
// scrolling above it; elsewhere plain lines, one every few seconds. Not
// thread-safe.

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"
#include "model/base/clock.h"
#include "strata/v1/training.pb.h"

namespace strata {

// "[=====>    ]  120/2000   6%  loss 1.234  1.780 bits/byte  34.5k tokens/s
//  0:42 left", cut to `columns`; the bar takes what the numbers leave, and goes
// if that is too little.
std::string RenderProgress(const v1::TrainProgress& progress, int columns);

// "1.7800 bits/byte", or a classifier's "accuracy 0.8100, macro-F1 0.8098".
std::string EvalQuality(const v1::EvalResult& eval);

// What is worth a line of its own; empty for everything else.
std::string RenderEvent(const v1::JobEvent& event);

class ProgressDisplay {
 public:
  // Writes to `out`, which outlives it. `clock` paces the plain lines.
  ProgressDisplay(FILE* out, bool terminal, const Clock* clock = Clock::System());
  ~ProgressDisplay();  // leaves the cursor on a fresh line
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void OnEvent(const v1::JobEvent& event);
  // A note above the bar, e.g. that the connection was lost.
  void Note(absl::string_view line);

 private:
  void DrawBar();
  void EraseBar();

  FILE* const out_;
  const bool terminal_;
  const Clock* const clock_;
  v1::TrainProgress last_;
  v1::JobState state_ = v1::JOB_STATE_UNSPECIFIED;
  bool bar_shown_ = false;
  bool line_written_ = false;
  MonotonicTime last_line_{};
};

}  // namespace strata
