#include "model/nn/multirate_stack.h"

#include <algorithm>
#include <string>
#include <utility>

#include "model/decoder_places.h"
#include "model/nn/attention_plan.h"
#include "model/nn/document_index.h"
#include "model/stream_levels.h"

namespace strata {

StreamImpl::StreamImpl(const ModelConfig& config, const StreamConfig& stream)
    : config_(stream),
      level_(StreamLevel(config.levels[0], stream)),
      turns_(StreamModel(config, stream), 0),
      compress_(register_module(
          "compress", Linear(stream.rate * config.levels[0].dim, stream.dim))),
      norm_(register_module("norm", RmsNorm(stream.dim))) {
  auto layers = register_module("dec", torch::nn::ModuleList());
  for (int i = 0; i < level_.dec_layers; ++i) {
    layers_.push_back(TransformerLayer(level_.dim, level_.heads, level_.ff_mult,
                                       config.dropout, TreeShape(), nullptr,
                                       level_.gate));
    layers->push_back(layers_.back());
  }
}

std::vector<torch::Tensor> StreamImpl::forward(const torch::Tensor& u,
                                               const torch::Tensor& segments) {
  auto y = Compress(Entered(u, segments));
  const auto options = u.options().requires_grad(false);
  const AttentionPlan plan = MakeAttentionPlan(
      DecoderSpec(level_), y.size(0), y.size(1),
      segments.defined() ? segments.slice(1, 0, {}, config_.stride) : segments,
      turns_.Get(y.size(1), options), options);
  std::vector<torch::Tensor> said;
  for (TransformerLayer& layer : layers_) said.push_back(y = layer->forward(y, plan));
  return said;
}

torch::Tensor StreamImpl::Entered(const torch::Tensor& u,
                                  const torch::Tensor& segments) const {
  const int64_t before = config_.rate - 1;
  auto entered = at::constant_pad_nd(u, {0, 0, before, 0}, 0)
                     .unfold(1, config_.rate, config_.stride)
                     .transpose(2, 3);
  if (segments.defined()) {
    const auto place = IndexInDocument(u.size(1), segments, u.options())
                           .slice(1, 0, {}, config_.stride);
    const auto back = torch::arange(before, -1, -1, place.options());
    entered = entered.masked_fill((back > place.unsqueeze(-1)).unsqueeze(-1), 0);
  }
  return entered.flatten(2);
}

StreamMergeImpl::StreamMergeImpl(const LevelConfig& base)
    : norm_(register_module("norm", RmsNorm(MergeWidth(base)))),
      up_(register_module("up", Linear(MergeWidth(base), MergeHidden(base)))),
      down_(register_module("down", Linear(MergeHidden(base), base.dim))) {}

torch::Tensor StreamMergeImpl::forward(const torch::Tensor& z,
                                       std::vector<torch::Tensor> said) {
  said.insert(said.begin(), z);
  return z + down_->forward(at::silu(up_->forward(norm_->forward(at::cat(said, -1)))));
}

MultirateStackImpl::MultirateStackImpl(const ModelConfig& config, bool item_early)
    : base_(config.levels[0]), item_early_(item_early) {
  for (size_t r = 0; r < base_.streams.size(); ++r) {
    streams_.push_back(
        register_module(std::to_string(r), Stream(config, base_.streams[r])));
  }
  auto merges = register_module("merge", torch::nn::ModuleList());
  for (int m = 0; m < base_.dec_layers; ++m) {
    merges_.push_back(StreamMerge(base_));
    merges->push_back(merges_.back());
  }
}

StreamOutputs MultirateStackImpl::forward(const torch::Tensor& u,
                                          const torch::Tensor& segments) {
  StreamOutputs said;
  for (Stream& stream : streams_) said.push_back(stream->forward(u, segments));
  return said;
}

torch::Tensor MultirateStackImpl::Merged(int m, const torch::Tensor& z,
                                         const StreamOutputs& streams) {
  const int64_t places = z.size(1);
  std::vector<torch::Tensor> newest;
  for (size_t r = 0; r < streams.size(); ++r) {
    const int64_t stride = base_.streams[r].stride;
    auto items = streams[r][m];
    if (item_early_) {
      // Item j + 1 in the places between item j and its own.
      const auto place = torch::arange(places, items.options()
                                                   .dtype(torch::kLong)
                                                   .requires_grad(false));
      const auto early = (place + stride - 1).div(stride, "floor");
      newest.push_back(items.index_select(1, early.clamp_max(items.size(1) - 1)));
      continue;
    }
    newest.push_back(items.repeat_interleave(stride, 1).narrow(1, 0, places));
  }
  return merges_[m]->forward(z, std::move(newest));
}

}  // namespace strata
