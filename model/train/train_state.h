#pragma once
// Everything of a run that is not a tensor, as `trainer_state.json` of a
// checkpoint. Together with the weights and the optimizer's tensors it decides
// all that follows: learning rate and dropout are functions of the step, data
// order of the cursor. Thread-safe: pure functions.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/train/data_cursor.h"
#include "model/train/non_finite.h"

namespace strata {

struct TrainState {
  int64_t step = 0;     // optimizer steps done, skipped ones included
  int64_t updates = 0;  // steps that changed the weights: AdamW's own count
  DataCursor cursor;
  NonFiniteState non_finite;
  int64_t items_total = 0;  // real items
  int64_t slots_total = 0;  // pads included
  int packing_version = 0;
  std::string spec_sha256;       // of TrainSpecToJson: a checkpoint fits one spec
  std::string environment_json;  // model/train/environment.h
};

std::string TrainStateToJson(const TrainState& state);
absl::StatusOr<TrainState> ParseTrainState(absl::string_view json);  // DATA_LOSS

}  // namespace strata
