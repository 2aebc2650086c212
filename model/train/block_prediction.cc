#include "model/train/block_prediction.h"

namespace strata {
namespace {

// Of a level's units from those of its items: [B, n] -> [B, units].
torch::Tensor BlockWeights(const LevelActivations& level, int64_t block,
                           const torch::Tensor& weights) {
  const int64_t rows = weights.size(0);
  const int64_t units = level.p.size(1);
  if (!level.units.ends.defined()) {
    return weights.narrow(1, 0, units * block).view({rows, units, block}).sum(-1);
  }
  // Rows have different numbers of units; the last of a row may be incomplete.
  const torch::Tensor& of_context = level.units.of_context;
  const auto all =
      weights.new_zeros({rows, units + 1}).scatter_add(1, of_context, weights);
  const auto complete = of_context.slice(1, -1);
  const auto index = torch::arange(units, complete.options()).unsqueeze(0);
  return all.narrow(1, 0, units).masked_fill(index >= complete, 0);
}

}  // namespace

torch::Tensor OfUnitSize(const torch::Tensor& x) {
  return x * (x.square().mean(-1, /*keepdim=*/true) + 1e-5).rsqrt();
}

torch::Tensor ChannelDeviations(const torch::Tensor& x) {
  // The square root has no slope at zero.
  return (x.var(0, /*unbiased=*/false) + 1e-6).sqrt();
}

BlockPredictorImpl::BlockPredictorImpl(const ModelConfig& config,
                                       BlockLossFaults faults)
    : config_(config),
      faults_(faults),
      predictor_(register_module("predictor", torch::nn::ModuleList())) {
  for (size_t l = 1; l < config.levels.size(); ++l) {
    predictor_->push_back(Linear(config.levels[l].dim, config.levels[l].dim));
  }
}

void BlockPredictorImpl::Reset() {
  torch::NoGradGuard no_grad;
  for (auto& parameter : parameters()) parameter.zero_();
}

torch::Tensor BlockPredictorImpl::LossSum(
    const std::vector<LevelActivations>& levels, const torch::Tensor& trained) {
  auto weights = trained.to(levels[0].c.scalar_type());
  auto sum = weights.new_zeros({});
  for (int l = 1; l < static_cast<int>(levels.size()); ++l) {
    const auto z = OfUnitSize(levels[l - 1].p);
    weights = BlockWeights(levels[l - 1], config_.levels[l - 1].block, weights);
    auto& predictor = predictor_->at<LinearImpl>(l - 1);
    const auto foreseen = predictor.forward(levels[l - 1].o.narrow(1, 0, z.size(1)));
    const auto target = faults_.gradient_to_target ? z : z.detach();
    const auto error = (foreseen - target).square().mean(-1);
    sum = sum + (weights * error).sum();
    const auto counted = weights.flatten().nonzero().squeeze(1);
    if (faults_.no_variance_term || counted.size(0) < 2) continue;
    const auto deviations =
        ChannelDeviations(z.flatten(0, 1).index_select(0, counted));
    sum = sum + weights.sum() * (kLeastDeviation - deviations).relu().mean();
  }
  return sum;
}

}  // namespace strata
