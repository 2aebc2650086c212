#pragma once
// The job that builds a datastore (model/neighbours.h) of a version and a dataset. One
// call is one attempt; a step is one piece of text, read (model/train/piece_reader.h)
// and added to the index.
//
//   keys     of each trained item, what goes into the output head where it is predicted.
//            The paper's are the input of the last feed-forward network; this place is
//            in every config of the recursive level, gates, repeats and stacks without
//            layers included, and both executors have it at hand without a product more.
//   weight, number, temperature   the best on the held-out part (NeighbourTuning)
//   result   the base's files, and those of model/datastore/datastore.h
//
// A checkpoint is the index so far. What is added next depends on nothing else, so a run
// that was killed ends in the same files, bit for bit, as one that was not. Torch-free.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/dataset.h"
#include "model/trainer.h"

namespace strata {

// As RunTraining, of a spec with a datastore. `environment`: for OnStarted. Warnings:
// DATASTORE_PART (not all of the data is in it), NEIGHBOURS_OF_NO_USE. FAILED_PRECONDITION
// "NON_FINITE …": the base is none that can be asked.
absl::Status BuildDatastore(const TrainRun& run, Dataset dataset,
                            absl::string_view environment, TrainObserver* observer);

}  // namespace strata
