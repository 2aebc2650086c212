#include "model/nn/bucket_rule.h"

#include "model/nn/lsh_attention.h"
#include "model/nn/routing_attention.h"

namespace strata {

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
