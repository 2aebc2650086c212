#pragma once
// LshBuckets: buckets of like directions by locality-sensitive hashes (Andoni et al. 2015,
// arXiv 1509.02897), as in Reformer (2001.04451).
//
//   h_r(x) = argmax [x R_r ; -x R_r]      R_r [K, buckets / 2] normal; rounds r
//
// of each head's queries and keys by the same rotations. h hangs on the direction of x
// alone, so lengths need no scaling. Rotations are drawn anew at every call, from the
// process's default generator, which training seeds by the step: a job that resumes draws
// the same. No parameters. Thread-compatible.

#include "model/nn/bucket_rule.h"

namespace strata {

class LshBucketsImpl final : public BucketRuleImpl {
 public:
  LshBucketsImpl(int64_t buckets, int64_t rounds) : buckets_(buckets), rounds_(rounds) {}
  Buckets Choose(const torch::Tensor& q, const torch::Tensor& k,
                 const torch::Tensor& documents, bool trains) override;

 private:
  const int64_t buckets_, rounds_;
};

}  // namespace strata
