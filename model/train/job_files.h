#pragma once
// What every kind of job reads and leaves: its data, with its supervisor asked while that
// is read, and its result. Torch-free. Thread-compatible.

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/dataset.h"
#include "model/trainer.h"

namespace strata {

// What a signal ends with: CANCELLED "cancelled HOW", ABORTED "stopped HOW"; or OK.
absl::Status StatusOfSignal(TrainObserver::Signal signal, absl::string_view how);

// CANCELLED, or ABORTED where there is nothing new to save.
absl::Status PollWhileLoading(TrainObserver* observer);

// The run's dataset. INVALID_ARGUMENT: what is stored is not what the spec names.
absl::StatusOr<Dataset> LoadData(const TrainRun& run, TrainObserver* observer);

// DATA_LOSS: the run's base, and why it cannot be read.
absl::Status CannotReadBase(const TrainRun& run, const absl::Status& status);

// The version folder that a finished run leaves.
std::string ResultPath(const TrainRun& run);

// Of its manifest: when, from what, how good.
std::map<std::string, std::string> ResultAttributes(const TrainRun& run,
                                                    const TrainEval& eval);

// Of writing it: that the disk is full at the one save that must succeed.
absl::Status NameFinalSave(absl::Status status);

}  // namespace strata
