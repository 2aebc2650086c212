#include "model/hierarchy/layer_stack.h"

#include <string>

#include "model/nn/bucket_rule.h"
#include "model/nn/reversible_stack.h"
#include "model/nn/score_term.h"

namespace strata {

LayerStackImpl::LayerStackImpl(const ModelConfig& config, int l, int layers,
                               Scope scope, int exits, int knn_run)
    : layers_(layers),
      runs_(config.levels[l].repeats * layers),
      reversible_(config.levels[l].gate == GateKind::kReversible) {
  const LevelConfig& level = config.levels[l];
  for (int i = 0; i < layers; ++i) {
    weights_.push_back(register_module(
        std::to_string(i),
        TransformerLayer(level.dim, level.heads, level.ff_mult, config.dropout,
                         scope == Scope::kTree ? TreeOf(level) : TreeShape(),
                         MakeScoreTermModule(level, scope, config.rope_theta),
                         level.gate,
                         MakeBucketRule(BucketsOf(level), level.heads,
                                        level.dim / level.heads))));
  }
  if (knn_run >= 0) layer(knn_run).attention().AddMemory(KnnMemory(level));
  if (exits > 0) {
    exit_ = register_module("exit", ExitHeads(level.dim, layers, exits));
  }
  const int64_t rows = RepeatRows(level, layers);
  if (rows == 0) return;
  repeat_ = register_parameter("repeat", torch::zeros({rows, level.dim}));
  if (level.ponder > 0) halt_ = register_module("halt", HaltingUnit(level.dim));
}

TransformerLayerImpl& LayerStackImpl::layer(int run) {
  return *weights_[run % layers_];
}

torch::Tensor LayerStackImpl::RunStreams(const torch::Tensor& x,
                                         const AttendInput& attend) {
  if (runs_ == 0) return x;
  std::vector<ReversibleRun> runs(runs_);
  for (int i = 0; i < runs_; ++i) {
    TransformerLayerImpl& of = layer(i);
    if (repeat_.defined() && i % layers_ == 0) runs[i].entrance = repeat_[i / layers_];
    runs[i].attention = {
        [attend, i, &of](const torch::Tensor& y) { return attend(i, of.attention(), y); },
        of.attention().parameters()};
    runs[i].feed_forward = {
        [&of](const torch::Tensor& y) { return of.feed_forward().forward(y); },
        of.feed_forward().parameters()};
  }
  return RunReversible(x, runs, layer(0).dropout());
}

torch::Tensor LayerStackImpl::Enter(int run, const torch::Tensor& x) const {
  if (!repeat_.defined() || run % layers_ != 0) return x;
  return x + repeat_[run / layers_];
}

}  // namespace strata
