#pragma once
// What a job is told of the datastore that it is to build (model/neighbours.h), and the
// rules that its submission and its trainer share. Plain values, pure functions.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/chat_template.h"
#include "model/model_config.h"

namespace strata {

inline constexpr int64_t kDefaultDatastoreEntries = 1'000'000;
inline constexpr int64_t kMaxDatastoreEntries = 100'000'000;
inline constexpr int kDefaultNeighbours = 64;
inline constexpr int kMaxNeighbours = 256;

struct DatastoreSpec {
  // At most so many; of more text, parts that lie evenly in it. 0: no datastore is
  // built, the job trains.
  int64_t entries = 0;
  int neighbours = 0;  // the most that may be asked for; 0 without entries
  // "exact": every entry is looked at. "graph": HNSW, which may miss some. "auto": the
  // former up to kExactEntries. Empty without entries.
  std::string index;

  bool operator==(const DatastoreSpec&) const = default;
};

// Of "auto": so many are looked at in less than a millisecond.
inline constexpr int64_t kExactEntries = 16384;
// Of "exact", at most: a search is some 16 times as long then, and a stream waits for it.
inline constexpr int64_t kMostExactEntries = 16 * kExactEntries;
inline constexpr char kIndexAuto[] = "auto";
inline constexpr char kIndexExact[] = "exact";
inline constexpr char kIndexGraph[] = "graph";

// "datastore.entries: is 0; must be in …"
absl::Status ValidateDatastoreSpec(const DatastoreSpec& spec);

// A datastore speaks in the template of its version: INVALID_ARGUMENT where `data` is
// of another kind. (A chat of one turn is a completion.)
absl::Status CheckDatastoreData(TemplateKind base, TemplateKind data);

// Bytes of memory that a graph of so many entries takes, from above; one that is exact
// takes less. Keys are bfloat16.
int64_t DatastoreBytes(int64_t entries, const ModelConfig& config);

}  // namespace strata
