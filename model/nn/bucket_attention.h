#pragma once
// BucketAttention: softmax attention of whole texts where a query attends to itself and to
// the nearest keys of its own bucket, not to all that it may see: what Reformer (Kitaev et
// al. 2020, arXiv 2001.04451) and the Routing Transformer (Roy et al. 2020, 2003.05997)
// have in common. Who is in which bucket a BucketRule says (model/nn/bucket_rule.h).
//
//   N_r(i)  = the last m keys j <= i of bucket q_r[i] in round r, m = BucketChunk(n, buckets)
//   seen(i) = {i} and the union of N_r(i) over the rounds
//   out[i]  = sum over j in seen(i) of softmax(q[i] k[j] / sqrt(K))[j] v[j]
//
// Not causal: the last m keys j <= i and the first m behind i. Where rows hold several
// documents, keys of the query's own.
//
// Cost: about 3 n m scores a head and round (4.5 n m where it is not causal), m = 2 n /
// buckets, in place of the n^2 / 2 that a causal softmax forms: fewer from 13 buckets a
// round on, and much fewer only with long rows. Keys are sorted by document, bucket
// and item and cut in chunks of m; queries likewise, in blocks that end where the chunk of
// their newest key does. Such a block needs its chunk and the one before it, and masks do
// the rest, so that seen(i) hangs on nothing but the keys before i: the chunks of the
// papers begin where all buckets' sizes put them, so there items to come decide which keys
// an item sees. Unlike both papers, which in causal models share q and k, they are two
// vectors here, each with its own bucket; that is why an item's own key stands beside the
// others, and why queries have blocks of their own.
//
// Rounds are joined as in Reformer, by the sums of their exponentials, with its correction:
// the score of a key that N rounds show loses ln N in each (an item's own key: ln R in all
// R), so that the sum over rounds is the one softmax above, exactly.
//
// The gradient goes through q, k and v; buckets have none. Blocks are made once more on
// the way back: kept, they held twice as much as attention to all keys does. m counts the
// places of a row, padding included. No parameters. Thread-safe.

#include <torch/torch.h>

#include <cstdint>

namespace strata {

// Of each query and key, its bucket: [rounds, B, H, n] of int64 in [0, count).
struct Buckets {
  torch::Tensor queries;
  torch::Tensor keys;
  int64_t count = 1;
};

class BucketAttention {
 public:
  // q, k, v [B, n, H, K]; `documents` [B, n] of int64, or undefined: a row is one.
  // Returns [B, n, H, K].
  static torch::Tensor Attend(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, const Buckets& buckets,
                              const torch::Tensor& documents, bool causal);
};

}  // namespace strata
