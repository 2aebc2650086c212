#include "model/trained_attention.h"

#include <tuple>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"

namespace strata {

const char* TrainedAttentionName(TrainedAttention kind) {
  switch (kind) {
    case TrainedAttention::kExact: return "exact";
    case TrainedAttention::kLsh: return "lsh";
    case TrainedAttention::kRouting: return "routing";
  }
  return "";
}

bool FindTrainedAttention(absl::string_view name, TrainedAttention* kind) {
  for (const TrainedAttention each :
       {TrainedAttention::kExact, TrainedAttention::kLsh, TrainedAttention::kRouting}) {
    if (name != TrainedAttentionName(each)) continue;
    *kind = each;
    return true;
  }
  return false;
}

absl::Status CheckBuckets(const BucketSpec& spec, const std::string& at) {
  const bool exact = spec.kind == TrainedAttention::kExact;
  const bool hashed = spec.kind == TrainedAttention::kLsh;
  const auto left_out = [&](const char* key, int value) {
    return LeftOut(at + key, value, absl::StrCat("trained_attention is ",
                                                 TrainedAttentionName(spec.kind)));
  };
  if (exact) {
    STRATA_RETURN_IF_ERROR(left_out("buckets", spec.buckets));
    return left_out("hash_rounds", spec.hash_rounds);
  }
  STRATA_RETURN_IF_ERROR(InRange(at + "buckets", spec.buckets, 2, kMaxBuckets));
  if (hashed && spec.buckets % 2 != 0) {
    return BadField(at + "buckets",
                    absl::StrCat("is ", spec.buckets,
                                 "; must be even where trained_attention is lsh: a "
                                 "direction and its opposite are two of them"));
  }
  if (!hashed) return left_out("hash_rounds", spec.hash_rounds);
  return InRange(at + "hash_rounds", spec.hash_rounds, 1, kMaxHashRounds);
}

absl::Status CheckTrainedAttention(const LevelConfig& level, const std::string& at) {
  STRATA_RETURN_IF_ERROR(CheckBuckets(BucketsOf(level), at));
  if (level.trained_attention == TrainedAttention::kExact) return absl::OkStatus();
  const char* const name = TrainedAttentionName(level.trained_attention);
  if (level.enc_layers + level.dec_layers == 0) {
    return BadField(at + "trained_attention",
                    absl::StrCat("is ", name, "; must be exact where there are no "
                                 "layers"));
  }
  const std::tuple<const char*, int, Scope> stacks[] = {
      {"enc_scope", level.enc_layers, level.enc_scope},
      {"dec_scope", level.dec_layers, level.dec_scope}};
  for (const auto& [field, layers, scope] : stacks) {
    if (layers == 0 || scope == Scope::kFull) continue;
    return BadField(at + field,
                    absl::StrCat("is ", ScopeName(scope),
                                 "; must be full where trained_attention is ", name,
                                 ": there are few keys to leave out of others"));
  }
  if (KnowsNoDistance(*level.position)) return absl::OkStatus();
  return BadField(at + "position",
                  absl::StrCat("is ", level.position->name,
                               "; where trained_attention is ", name,
                               " it must not weigh distances, of which buckets know "
                               "nothing"));
}

}  // namespace strata
