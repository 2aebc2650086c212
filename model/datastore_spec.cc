#include "model/datastore_spec.h"

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"
#include "model/key_width.h"

namespace strata {

absl::Status ValidateDatastoreSpec(const DatastoreSpec& spec) {
  if (spec == DatastoreSpec()) return absl::OkStatus();
  STRATA_RETURN_IF_ERROR(
      InRange("datastore.entries", spec.entries, 1, kMaxDatastoreEntries));
  STRATA_RETURN_IF_ERROR(
      InRange("datastore.neighbours", spec.neighbours, 1, kMaxNeighbours));
  for (const char* index : {kIndexAuto, kIndexExact, kIndexGraph}) {
    if (spec.index == index) return absl::OkStatus();
  }
  return BadField("datastore.index", absl::StrCat("is \"", spec.index,
                                                  "\"; must be auto, exact or graph"));
}

absl::Status CheckDatastoreData(TemplateKind base, TemplateKind data) {
  const bool one_turn =
      base == TemplateKind::kChat && data == TemplateKind::kCompletion;
  if (base == data || one_turn) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "spec.dataset: is ", TemplateKindName(data), " data, but the base was trained on ",
      TemplateKindName(base), " data; a datastore's must be of the same kind"));
}

int64_t DatastoreBytes(int64_t entries, const ModelConfig& config) {
  // Links on the ground level with their count, the label; of upper levels, pointers,
  // heights and one reader's marks.
  constexpr int64_t kGround = 4 * 33 + 8, kAbove = 8 + 4 + 2 + 6;
  return entries * (2 * PaddedKey(config.levels[0].dim) + kGround + kAbove);
}

}  // namespace strata
