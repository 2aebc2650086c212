#pragma once
// RoutingBuckets: buckets are clusters of queries and keys that training finds, spherical
// k-means as it goes along, as in the Routing Transformer (2003.05997).
//
//   cluster(x) = argmax over c of centroid[h, c] x         of head h's queries and keys
//   centroid[h, c] <- unit(0.99 centroid[h, c] + 0.01 mean of x / |x| over its members)
//
// once a step, over all queries and keys of the step but a document's padding (that of
// packed rows, some items of a row, counts), and only where the step is applied;
// a cluster without members stays. Unlike the paper, where a cluster takes the w items
// nearest to it, out of a whole text: who is in it then hangs on items to come, and an item
// may be in none. Here each item goes to its nearest cluster, by itself, and clusters may
// be of any size (of which an item sees the newest keys, model/nn/bucket_attention.h). The
// paper's rate is 0.001, for some 100,000 steps.
//
// Centroids are stored with the weights, though training alone reads them, so that it can
// go on; their gradient is none, nor do they decay. Thread-compatible.

#include "model/nn/bucket_rule.h"

namespace strata {

inline constexpr double kCentroidDecay = 0.99;

class RoutingBucketsImpl final : public BucketRuleImpl {
 public:
  RoutingBucketsImpl(int64_t heads, int64_t clusters, int64_t width);
  // Counts the members for EndStep, where it trains.
  Buckets Choose(const torch::Tensor& q, const torch::Tensor& k,
                 const torch::Tensor& documents, bool trains) override;
  void EndStep(bool applied) override;

 private:
  torch::Tensor centroids_;  // [H, C, K] of length 1; InitWeights fills it
  torch::Tensor members_;    // [H, C, K + 1] sums of the step, and how many
};

}  // namespace strata
