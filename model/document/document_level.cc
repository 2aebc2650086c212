#include "model/document/document_level.h"

#include <limits>
#include <utility>

#include "model/nn/attention_plan.h"
#include "model/nn/bucket_rule.h"

namespace strata {
namespace {

// [R, n] of bool: behind the items of a row.
torch::Tensor Padding(const std::vector<int64_t>& lengths, int64_t n,
                      const torch::Device& device) {
  const auto length = torch::tensor(lengths, torch::kInt64).unsqueeze(1);
  return (torch::arange(n).unsqueeze(0) >= length).to(device);
}

// [R, 1, n]: 0, -inf on padding.
torch::Tensor PaddingMask(const torch::Tensor& padding,
                          const torch::TensorOptions& like) {
  return torch::zeros(padding.sizes(), like)
      .masked_fill_(padding, -std::numeric_limits<double>::infinity())
      .unsqueeze(1);
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

DocumentLevelImpl::DocumentLevelImpl(const DocumentLevelConfig& config, int64_t items,
                                     int64_t dim_above, double rope_theta,
                                     double dropout)
    : bucketed_(config.attention.kind != TrainedAttention::kExact),
      rope_(config.dim / config.heads, rope_theta),
      enc_(register_module("enc", torch::nn::ModuleList())),
      pool_(register_module(
          "pool", RaggedPool(config.dim, config.heads, dim_above))) {
  for (int i = 0; i < config.layers; ++i) {
    enc_->push_back(TransformerLayer(
        config.dim, config.heads, config.ff_mult, dropout, TreeShape(), nullptr,
        GateKind::kResidual,
        MakeBucketRule(config.attention, config.heads, config.dim / config.heads)));
  }
  auto scope = MakeDocumentAttention(config, items);
  if (scope != nullptr) scope_ = register_module("scope", std::move(scope));
}

Pooled DocumentLevelImpl::forward(const torch::Tensor& x,
                                  const std::vector<int64_t>& lengths) {
  DocumentRows rows;
  {
    torch::NoGradGuard no_grad;
    const auto options = x.options().requires_grad(false);
    rows.lengths = lengths;
    rows.padding = Padding(lengths, x.size(1), x.device());
    rows.mask = PaddingMask(rows.padding, options);
    rows.rope = rope_.Get(x.size(1), options);
  }
  const auto h = scope_ == nullptr ? SeeAll(x, rows) : SeeByScope(x, rows);
  return pool_->forward(h, rows.mask);
}

torch::Tensor DocumentLevelImpl::SeeAll(const torch::Tensor& x, const DocumentRows& rows) {
  // In buckets, padding is a document of its own, below 0.
  const AttentionPlan plan =
      bucketed_ && is_training()
          ? MakeBucketPlan(x.size(0), x.size(1), -rows.padding.to(torch::kLong),
                           rows.rope,
                           /*causal=*/false)
          : BidirectionalPlan(rows.mask, rows.rope);
  auto h = x;
  for (const auto& layer : *enc_) {
    h = layer->as<TransformerLayerImpl>()->forward(h, plan);
  }
  return h;
}

torch::Tensor DocumentLevelImpl::SeeByScope(const torch::Tensor& x, const DocumentRows& rows) {
  auto h = scope_->Enter(x);
  int index = 0;
  for (const auto& layer : *enc_) {
    h = layer->as<TransformerLayerImpl>()->Apply(
        h, [&](const torch::Tensor& qkv, const torch::Tensor&) {
          return scope_->Attend(index, qkv, rows);
        });
    ++index;
  }
  return h.narrow(1, h.size(1) - x.size(1), x.size(1));  // what entered before is left
}

}  // namespace strata
