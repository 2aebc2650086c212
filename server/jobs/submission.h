#pragma once
// What is checked and filled in before a job exists. Thread-safe.

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/train_spec.h"
#include "server/jobs/dataset_store.h"
#include "server/registry/registry.h"

namespace strata {

// A base that exists. `pinned`: the preset, or NAME@VERSION, which means the
// same weights for ever, or empty where the spec has a config; `dir` is empty
// where the weights are new.
struct BaseModel {
  std::string pinned;
  std::string dir;
};

// INVALID_ARGUMENT for a bad name, NOT_FOUND when there is no such base.
absl::StatusOr<BaseModel> FindBase(const TrainSpec& spec,
                                   const ModelRegistry& registry);

// The spec with every "auto" resolved and the base pinned. INVALID_ARGUMENT
// names the field; NOT_FOUND: base or dataset. `datastore_memory`: bytes, of a datastore
// that could be served.
absl::StatusOr<TrainSpec> CheckSubmission(
    const TrainSpec& request, int default_threads, const DatasetStore& datasets,
    const ModelRegistry& registry,
    int64_t datastore_memory = std::numeric_limits<int64_t>::max());

}  // namespace strata
