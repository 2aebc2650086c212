#pragma once
// BucketRule: who is in which bucket, for attention that looks no further in training
// (model/nn/bucket_attention.h). One rule is one file: hashes by random rotations
// (lsh_attention.h) and learned clusters (routing_attention.h). Thread-compatible.

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "model/nn/bucket_attention.h"
#include "model/trained_attention.h"

namespace strata {

class BucketRuleImpl : public torch::nn::Module {
 public:
  // q, k [B, n, H, K], as scores read them. May draw from the process's default generator.
  // `trains`: of a step of training, which the rule may learn from; not from items of
  // `documents` [B, n] below 0 (undefined: none), which are padding.
  virtual Buckets Choose(const torch::Tensor& q, const torch::Tensor& k,
                         const torch::Tensor& documents, bool trains) = 0;
  // A step of training is over: `applied` says whether it counts.
  virtual void EndStep(bool /*applied*/) {}
};

// Of a layer; null where training attends to all keys.
std::shared_ptr<BucketRuleImpl> MakeBucketRule(const BucketSpec& spec, int64_t heads,
                                               int64_t width);

// What the layers of a pass chose, so that a pass that computes them once more
// (model/nn/reversible_stack.h) chooses the same, whatever rounding says.
struct BucketTape {
  std::vector<Buckets> chosen;
  size_t next = 0;
};

// While it lives, the layers that this thread runs write on the tape, or, `again`, read it
// from its beginning. One at a time.
class TapeScope {
 public:
  TapeScope(BucketTape* tape, bool again);
  ~TapeScope();
  TapeScope(const TapeScope&) = delete;
  TapeScope& operator=(const TapeScope&) = delete;
};

// The rule's choice, or the tape's. Trains where gradients are computed, now or later.
Buckets ChooseBuckets(BucketRuleImpl& rule, const torch::Tensor& q,
                      const torch::Tensor& k, const torch::Tensor& documents);

// EndStep of all rules of a model.
void EndBucketStep(const torch::nn::Module& model, bool applied);

}  // namespace strata
