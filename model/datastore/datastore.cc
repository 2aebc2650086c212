#include "model/datastore/datastore.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/datastore_spec.h"
#include "model/json_object.h"
#include "model/version_dir.h"

namespace strata {
namespace {

class Datastore final : public Neighbours {
 public:
  Datastore(const DatastoreInfo& info, std::unique_ptr<NeighbourIndex> index)
      : info_(info), index_(std::move(index)) {}

  const NeighbourParams& defaults() const override { return info_.best; }
  int max_k() const override { return info_.max_k; }
  int64_t entries() const override { return info_.entries; }
  int64_t bytes() const override { return index_->bytes(); }
  absl::string_view kind() const override { return IndexKindName(info_.kind); }
  absl::StatusOr<std::vector<Neighbour>> Find(absl::Span<const float> hidden,
                                              int k) const override {
    return index_->Find(hidden, k);
  }

 private:
  const DatastoreInfo info_;
  const std::unique_ptr<NeighbourIndex> index_;
};

absl::Status Lost(const std::string& dir, absl::string_view why) {
  return absl::DataLossError(absl::StrCat(dir, ": ", why));
}

}  // namespace

absl::string_view IndexKindName(NeighbourIndex::Kind kind) {
  return kind == NeighbourIndex::Kind::kGraph ? kIndexGraph : kIndexExact;
}

std::string DatastoreInfoToJson(const DatastoreInfo& info) {
  const nlohmann::ordered_json json = {
      {"format_version", 1},
      {"index", IndexKindName(info.kind)},
      {"dim", info.dim},
      {"entries", info.entries},
      {"max_neighbours", info.max_k},
      {"weight", info.best.weight},
      {"neighbours", info.best.k},
      {"temperature", info.best.temperature},
      {"bits_per_byte_alone", info.bits_per_byte_alone},
      {"bits_per_byte", info.bits_per_byte}};
  return json.dump(2) + "\n";
}

absl::StatusOr<DatastoreInfo> ParseDatastoreInfo(absl::string_view json) {
  STRATA_ASSIGN_OR_RETURN(JsonObject object, JsonObject::Parse(json, kDatastoreInfo));
  DatastoreInfo info;
  int64_t format = 0;
  std::string kind;
  object.Get("format_version", &format);
  object.Get("index", &kind);
  object.Get("dim", &info.dim);
  object.Get("entries", &info.entries);
  object.Get("max_neighbours", &info.max_k);
  object.Get("weight", &info.best.weight);
  object.Get("neighbours", &info.best.k);
  object.Get("temperature", &info.best.temperature);
  object.Get("bits_per_byte_alone", &info.bits_per_byte_alone);
  object.Get("bits_per_byte", &info.bits_per_byte);
  if (format != 1) object.Fault("format_version", "is not 1");
  if (kind == kIndexGraph) {
    info.kind = NeighbourIndex::Kind::kGraph;
  } else if (kind != kIndexExact) {
    object.Fault("index", "must be exact or graph");
  }
  if (info.entries < 1 || info.entries > kMaxDatastoreEntries) {
    object.Fault("entries", "is out of range");
  }
  if (info.max_k < 1 || info.max_k > kMaxNeighbours) {
    object.Fault("max_neighbours", "is out of range");
  }
  const absl::Status best = ValidateNeighbours(info.best, info.max_k);
  if (!best.ok()) object.Fault("neighbours", best.message());
  STRATA_RETURN_IF_ERROR(object.Finish());
  return info;
}

absl::StatusOr<std::shared_ptr<const Neighbours>> LoadDatastore(
    const std::string& version_dir, const ModelConfig& config, int64_t max_bytes) {
  STRATA_ASSIGN_OR_RETURN(const Manifest manifest,
                          ReadManifest(version_dir, /*verify=*/false));
  const auto listed = [&](absl::string_view name) {
    return std::any_of(manifest.files.begin(), manifest.files.end(),
                       [&](const ManifestFile& file) { return file.name == name; });
  };
  if (!listed(kDatastoreInfo)) return nullptr;
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(absl::StrCat(version_dir, "/", kDatastoreInfo)));
  const auto info = ParseDatastoreInfo(json);
  if (!info.ok()) return Lost(version_dir, info.status().message());
  if (info->dim != config.levels[0].dim || !listed(kDatastoreIndex)) {
    return Lost(version_dir, "the datastore is not one of this model");
  }
  const int64_t bytes = DatastoreBytes(info->entries, config);
  if (bytes > max_bytes) {
    return absl::FailedPreconditionError(absl::StrCat(
        version_dir, ": the datastore of ", info->entries, " entries takes up to ",
        bytes, " bytes of memory; --datastore-memory allows ", max_bytes));
  }
  STRATA_ASSIGN_OR_RETURN(
      auto index, NeighbourIndex::Open(
                      info->kind, info->dim,
                      absl::StrCat(version_dir, "/", kDatastoreIndex), /*grows=*/false));
  if (index->size() != info->entries) {
    return Lost(version_dir, absl::StrCat("the datastore has ", index->size(),
                                          " entries, not ", info->entries));
  }
  if (index->largest_item() >= config.vocab) {
    return Lost(version_dir, absl::StrCat("the datastore holds item ",
                                          index->largest_item(), "; the model has ",
                                          config.vocab));
  }
  return std::make_shared<const Datastore>(*info, std::move(index));
}

}  // namespace strata
