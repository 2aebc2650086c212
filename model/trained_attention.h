#pragma once
// What training attends to where that is less than what the scope shows: of the keys
// that a full scope shows, those of the query's bucket (model/nn/bucket_attention.h).
// Here are the numbers and the rules of configs; torch-free. Pure functions, thread-safe.

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/model_config.h"

namespace strata {

inline constexpr int kMaxBuckets = 4096;
inline constexpr int kMaxHashRounds = 16;

// How the keys of training are chosen. Without `kind` of them: all.
struct BucketSpec {
  TrainedAttention kind = TrainedAttention::kExact;
  int buckets = 0;
  int hash_rounds = 0;

  bool operator==(const BucketSpec&) const = default;
};

inline BucketSpec BucketsOf(const LevelConfig& level) {
  return {level.trained_attention, level.buckets, level.hash_rounds};
}

// Keys of its bucket that a query sees on one side, among n items: twice a bucket's
// share, as the papers' chunks have.
inline int64_t BucketChunk(int64_t n, int64_t buckets) {
  return std::min(n, (2 * n + buckets - 1) / buckets);
}

// As configs spell them.
const char* TrainedAttentionName(TrainedAttention kind);
bool FindTrainedAttention(absl::string_view name, TrainedAttention* kind);

// Numbers of the centroids of a layer of so many channels, all heads: learned, stored
// with the weights, read by training alone.
inline int64_t CentroidNumbers(const BucketSpec& spec, int64_t dim) {
  return spec.kind == TrainedAttention::kRouting ? spec.buckets * dim : 0;
}

// The keys `buckets` and `hash_rounds` as the kind asks; `at` is their path with a dot.
absl::Status CheckBuckets(const BucketSpec& spec, const std::string& at);

// The same of a level, and that its scopes and positions suit.
absl::Status CheckTrainedAttention(const LevelConfig& level, const std::string& at);

}  // namespace strata
