#pragma once
// The datastore of a version: two files of its folder, which the manifest lists and
// vouches for.
//
//   datastore.json    DatastoreInfo
//   datastore.index   keys, next items and, of a graph, its links (NeighbourIndex)
//
// Written once, by the job that made the version. Thread-safe.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/datastore/neighbour_index.h"
#include "model/model_config.h"
#include "model/neighbours.h"

namespace strata {

inline constexpr char kDatastoreInfo[] = "datastore.json";
inline constexpr char kDatastoreIndex[] = "datastore.index";

struct DatastoreInfo {
  NeighbourIndex::Kind kind = NeighbourIndex::Kind::kExact;
  int64_t dim = 0;
  int64_t entries = 0;
  int max_k = 0;
  NeighbourParams best;  // on held-out text
  // Of that text, without neighbours and with the best.
  double bits_per_byte_alone = 0;
  double bits_per_byte = 0;
};

// "exact" or "graph".
absl::string_view IndexKindName(NeighbourIndex::Kind kind);

std::string DatastoreInfoToJson(const DatastoreInfo& info);
// INVALID_ARGUMENT "datastore.json: FIELD: …".
absl::StatusOr<DatastoreInfo> ParseDatastoreInfo(absl::string_view json);

// A NeighboursLoader, of datastores of at most `max_bytes` of memory.
absl::StatusOr<std::shared_ptr<const Neighbours>> LoadDatastore(
    const std::string& version_dir, const ModelConfig& config, int64_t max_bytes);

}  // namespace strata
