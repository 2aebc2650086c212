#include "model/nn/pooling_layer.h"

#include "model/nn/attention_pool.h"

namespace strata {
namespace {

class MeanPoolImpl : public PoolingLayerImpl {
 public:
  using PoolingLayerImpl::PoolingLayerImpl;
  torch::Tensor Mix(const torch::Tensor& g) override { return g.mean(1); }
};

class LastPoolImpl : public PoolingLayerImpl {
 public:
  using PoolingLayerImpl::PoolingLayerImpl;
  torch::Tensor Mix(const torch::Tensor& g) override { return g.select(1, -1); }
};

class ConcatPoolImpl : public PoolingLayerImpl {
 public:
  using PoolingLayerImpl::PoolingLayerImpl;
  torch::Tensor Mix(const torch::Tensor& g) override { return g.flatten(1); }
};

}  // namespace

PoolingLayerImpl::PoolingLayerImpl(const LevelConfig& level, int64_t dim_above)
    : level_(level),
      dim_above_(dim_above),
      norm_(register_module("norm", RmsNorm(level.dim))),
      out_(register_module("out", Linear(PoolWidth(level), dim_above))) {}

torch::Tensor PoolingLayerImpl::forward(const torch::Tensor& h) {
  const int64_t batch = h.size(0);
  const int64_t blocks = h.size(1) / level_.block;
  if (blocks == 0) return h.new_zeros({batch, 0, dim_above_});
  const auto whole = h.narrow(1, 0, blocks * level_.block)
                         .reshape({batch * blocks, level_.block, level_.dim});
  return OfUnits(whole).view({batch, blocks, dim_above_});
}

torch::Tensor PoolingLayerImpl::OfUnits(const torch::Tensor& units) {
  return out_->forward(Mix(norm_->forward(units)));
}

torch::Tensor PoolingLayerImpl::WeightsOf(const torch::Tensor& units) {
  return Weights(norm_->forward(units));
}

std::shared_ptr<PoolingLayerImpl> MakePoolingLayer(const LevelConfig& level,
                                                   int64_t dim_above) {
  switch (level.pool) {
    case PoolKind::kAttention:
      return std::make_shared<AttentionPoolImpl>(level, dim_above);
    case PoolKind::kMean:
      return std::make_shared<MeanPoolImpl>(level, dim_above);
    case PoolKind::kLast:
      return std::make_shared<LastPoolImpl>(level, dim_above);
    case PoolKind::kConcat:
      return std::make_shared<ConcatPoolImpl>(level, dim_above);
  }
  return nullptr;
}

}  // namespace strata
