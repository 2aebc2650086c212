#pragma once
// BucketOrder: the keys of rows sorted by document, bucket and item, what part of that
// order each query sees, and blocks of queries that see like parts of it
// (model/nn/bucket_attention.h). G rows, one a head of a text. No gradients. Pure
// functions, thread-safe.

#include <torch/torch.h>

#include <vector>

namespace strata {

struct Buckets;

// Of one round.
struct BucketOrder {
  torch::Tensor items;  // [G, n] of the keys, in order
  torch::Tensor rank;   // [G, n] of each item's key: the place in that order
  // [G, n] of each query: it sees the keys of the ranks [first, last).
  torch::Tensor first, last;
  torch::Tensor queries;  // [G, n] items of the queries, by the same order
  torch::Tensor newest;   // [G, n] rank of the last key up to each of them, or -1
};

// One for each round. `documents`: [B, n], or undefined.
std::vector<BucketOrder> OrderByBucket(const Buckets& buckets,
                                       const torch::Tensor& documents, int64_t chunk,
                                       bool causal);

// T blocks of Q queries; each with W = 2 chunks of keys, 3 where not causal.
struct BucketBlocks {
  torch::Tensor queries;  // [G, T * Q] items, or 0 where there is none
  torch::Tensor place;    // [G, n] of each item among those
  torch::Tensor ranks;    // [G, T, W] of the keys; outside [0, n): none
};
BucketBlocks CutBlocks(const BucketOrder& order, int64_t chunk, bool causal);

// The keys of such ranks; of those that are none, any.
torch::Tensor ItemsOf(const BucketOrder& order, const torch::Tensor& ranks);

}  // namespace strata
