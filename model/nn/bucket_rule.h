#pragma once
// BucketRule: who is in which bucket, for attention that looks no further in training
// (model/nn/bucket_attention.h). One rule is one file: hashes by random rotations
// (lsh_attention.h) and learned clusters (routing_attention.h). Thread-compatible.

#include <torch/torch.h>

#include <memory>

#include "model/nn/bucket_attention.h"
#include "model/trained_attention.h"

namespace strata {

class BucketRuleImpl : public torch::nn::Module {
 public:
  // q, k [B, n, H, K], as scores read them. May draw from the process's default generator.
  virtual Buckets Choose(const torch::Tensor& q, const torch::Tensor& k) = 0;
  // A step of training is over: `applied` says whether it counts.
  virtual void EndStep(bool /*applied*/) {}
};

// Of a layer; null where training attends to all keys.
std::shared_ptr<BucketRuleImpl> MakeBucketRule(const BucketSpec& spec, int64_t heads,
                                               int64_t width);

// EndStep of all rules of a model.
void EndBucketStep(const torch::nn::Module& model, bool applied);

}  // namespace strata
