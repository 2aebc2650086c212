#include "model/nn/bucket_rule.h"

#include "model/nn/lsh_attention.h"
#include "model/nn/routing_attention.h"

namespace strata {
namespace {

thread_local BucketTape* tape = nullptr;
thread_local bool reads = false;

// Two bytes a bucket.
Buckets Packed(const Buckets& buckets, torch::ScalarType type) {
  return {buckets.queries.to(type), buckets.keys.to(type), buckets.count};
}

}  // namespace

TapeScope::TapeScope(BucketTape* of, bool again) {
  tape = of;
  reads = again;
  tape->next = 0;
}

TapeScope::~TapeScope() { tape = nullptr; }

Buckets ChooseBuckets(BucketRuleImpl& rule, const torch::Tensor& q,
                      const torch::Tensor& k, const torch::Tensor& documents) {
  if (tape != nullptr && reads) return Packed(tape->chosen[tape->next++], torch::kLong);
  const Buckets buckets =
      rule.Choose(q, k, documents, tape != nullptr || torch::GradMode::is_enabled());
  if (tape != nullptr) tape->chosen.push_back(Packed(buckets, torch::kShort));
  return buckets;
}

std::shared_ptr<BucketRuleImpl> MakeBucketRule(const BucketSpec& spec, int64_t heads,
                                               int64_t width) {
  switch (spec.kind) {
    case TrainedAttention::kExact: break;
    case TrainedAttention::kLsh:
      return std::make_shared<LshBucketsImpl>(spec.buckets, spec.hash_rounds);
    case TrainedAttention::kRouting:
      return std::make_shared<RoutingBucketsImpl>(heads, spec.buckets, width);
  }
  return nullptr;
}

void EndBucketStep(const torch::nn::Module& model, bool applied) {
  for (const auto& module : model.modules(/*include_self=*/false)) {
    auto* const rule = dynamic_cast<BucketRuleImpl*>(module.get());
    if (rule != nullptr) rule->EndStep(applied);
  }
}

}  // namespace strata
