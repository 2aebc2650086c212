#include "model/document/document_level.h"

#include <limits>

#include "model/nn/attention_plan.h"

namespace strata {
namespace {

// [R, 1, n]: 0, -inf behind the items of a row.
torch::Tensor PaddingMask(const std::vector<int64_t>& lengths, int64_t n,
                          const torch::TensorOptions& like) {
  const auto rows = static_cast<int64_t>(lengths.size());
  const auto length = torch::tensor(lengths, torch::kInt64).view({rows, 1, 1});
  const auto padding = torch::arange(n).view({1, 1, n}) >= length;
  return torch::zeros({rows, 1, n}, like)
      .masked_fill_(padding.to(like.device()),
                    -std::numeric_limits<double>::infinity());
}

// Every query sees every item of its row and no padding.
AttentionPlan BidirectionalPlan(const torch::Tensor& mask,
                                const RopeTables& rope) {
  AttentionPlan plan;
  plan.batch = mask.size(0);
  plan.items = plan.chunk = mask.size(2);
  plan.turns = rope;
  plan.mask = mask.unsqueeze(1).expand(
      {plan.batch, 1, plan.chunk, plan.items});
  return plan;
}

}  // namespace

DocumentLevelImpl::DocumentLevelImpl(const DocumentLevelConfig& config,
                                     int64_t dim_above, double rope_theta,
                                     double dropout)
    : rope_(config.dim / config.heads, rope_theta),
      enc_(register_module("enc", torch::nn::ModuleList())),
      pool_(register_module(
          "pool", RaggedPool(config.dim, config.heads, dim_above))) {
  for (int i = 0; i < config.layers; ++i) {
    enc_->push_back(TransformerLayer(config.dim, config.heads, config.ff_mult,
                                     dropout));
  }
}

Pooled DocumentLevelImpl::forward(const torch::Tensor& x,
                                  const std::vector<int64_t>& lengths) {
  torch::Tensor mask;
  AttentionPlan plan;
  {
    torch::NoGradGuard no_grad;
    const auto options = x.options().requires_grad(false);
    mask = PaddingMask(lengths, x.size(1), options);
    plan = BidirectionalPlan(mask, rope_.Get(x.size(1), options));
  }
  auto h = x;
  for (const auto& layer : *enc_) {
    h = layer->as<TransformerLayerImpl>()->forward(h, plan);
  }
  return pool_->forward(h, mask);
}

}  // namespace strata
