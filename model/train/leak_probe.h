#pragma once
// LeakProbe: whether a model sees the future, asked of the model itself, as a
// black box: one row of items, eight prefixes of it with another continuation
// each; the predictions of a prefix must not move. The availability pass proves
// a config before training; this looks at the weights and the code that made
// them (the fault that it is there for: block summaries that contain the bytes
// they predict, which shows as a loss that is too good).
//
// Thread-compatible; leaves the model in the mode that it was in.

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/trainer.h"

namespace strata {

// FAILED_PRECONDITION "LEAK: …" names the item whose prediction moved.
absl::Status ProbeForLeaks(HierarchicalTransformer model);

// Held-out bits per byte that no honest model of that many parameters has been
// seen to reach on prose (published byte-level results on enwik8 end at 0.99
// up to 50M parameters and at 0.96 beyond): below it the held-out part is most likely in
// the training part too, or repeats itself, or the future leaks.
double LossFloorBitsPerByte(int64_t parameters);

}  // namespace strata
