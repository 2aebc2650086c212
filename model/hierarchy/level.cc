#include "model/hierarchy/level.h"

#include <map>

#include "model/decoder_places.h"
#include "model/hierarchy/prefix_items.h"
#include "model/knn_rule.h"
#include "model/nn/document_index.h"
#include "model/position_shape.h"
#include "model/segment_rule.h"
#include "model/unit_rule.h"

namespace strata {
namespace {

// [B, U + 1]: what a context adds to what was said before it (model/nn/router.h); all
// of it where a document begins.
torch::Tensor Shares(const torch::Tensor& p, const RaggedUnits& units,
                     const torch::Tensor& segments_above) {
  auto share = at::constant_pad_nd(
      p.gather(1, units.last).clamp_min(kRouterEven), {1, 0}, 1);
  if (!segments_above.defined()) return share;
  return share.masked_fill(DocumentBegins(segments_above), 1);
}

}  // namespace

LevelImpl::LevelImpl(const ModelConfig& config, int l, ShadowFaults faults)
    : config_(config.levels[l]),
      faults_(faults),
      turns_(config, l),
      start_(register_parameter("start", torch::zeros({config_.dim}))),
      enc_(register_module("enc", LayerStack(config, l, config_.enc_layers,
                                             config_.enc_scope))),
      dec_(register_module("dec", LayerStack(config, l, config_.dec_layers,
                                             config_.dec_scope, config_.exits,
                                             KnnRun(config_)))),
      norm_(register_module("norm", RmsNorm(config_.dim))) {
  if (!LevelPositionTensors(config_).empty()) {
    position_ = register_module("position",
                                EntrancePositions(config_, config.rope_theta));
  }
  if (!config_.streams.empty()) {
    streams_ = register_module("streams",
                               MultirateStack(config, faults.stream_item_early));
  }
  if (l + 1 == static_cast<int>(config.levels.size())) return;
  const int64_t dim_above = config.levels[l + 1].dim;
  pool_ = PoolingLayer(
      register_module("pool", MakePoolingLayer(config_, dim_above)));
  bridge_ = register_module(
      "bridge", Linear(dim_above, BridgeRows(config_) * config_.dim));
  if (config_.bridge == BridgeKind::kAttention) {
    bridge_attention_ =
        register_module("bridge_attention", BridgeAttention(config_));
  }
  if (config_.block_rule == BlockRule::kRouter) {
    router_ = register_module("router", Router(config_.dim));
  }
}

torch::Tensor LevelImpl::forward(const torch::Tensor& z,
                                 const torch::Tensor& segments,
                                 const RaggedUnits* units, LevelSpan above,
                                 absl::Span<LevelActivations> activations,
                                 MemorySpan memories) {
  LevelActivations* const told = activations.empty() ? nullptr : &activations[0];
  StackDepth* const enc_depth = told == nullptr ? nullptr : &told->enc_depth;
  const bool carried = !memories.empty();
  const auto h = carried ? RunSegment(*enc_, SpecOf(config_, config_.enc_scope), z,
                                      segments, memories[0], &memories[0].enc, enc_depth)
                         : Encode(z, segments, {}, enc_depth);
  const bool looks_ahead =
      config_.enc_layers > 0 && config_.enc_scope == Scope::kBidirBlock;
  const bool skip_items = looks_ahead && !faults_.skip_bidirectional;
  const auto& skip = skip_items ? z : h;
  auto u = carried ? ShiftSegment(skip, segments, &memories[0])
                   : Shift(skip, segments);
  if (config_.bridge == BridgeKind::kPrefix) {
    u = DecodeWithPrefixes(u, h, segments, above, activations, memories);
  } else {
    if (!above.empty()) {
      u = router_.is_empty()
              ? AddAbove(u, h, segments, units, above, activations, memories)
              : AddAboveRouted(u, h, segments, above, activations);
    }
    u = Decode(u, segments, told == nullptr ? nullptr : &told->dec_depth, memories);
  }
  auto c = norm_->forward(u);
  if (told != nullptr) {
    told->h = h;
    told->c = c;
  }
  return c;
}

torch::Tensor LevelImpl::Encode(const torch::Tensor& z,
                                const torch::Tensor& segments,
                                const torch::Tensor& index, StackDepth* depth) {
  const int64_t n = z.size(1);
  if (n == 0) return z;
  return RunStack(*enc_, SpecOf(config_, config_.enc_scope), z,
                  segments.defined() ? segments.narrow(1, 0, n) : segments,
                  index, depth);
}

torch::Tensor LevelImpl::Decode(const torch::Tensor& u,
                                const torch::Tensor& segments, StackDepth* depth,
                                MemorySpan memories) {
  if (!memories.empty()) {
    return RunSegment(*dec_, DecoderSpec(config_), u, segments, memories[0],
                      &memories[0].dec, depth);
  }
  StreamOutputs made;
  if (!streams_.is_empty()) made = streams_->forward(u, segments);
  const StreamOutputs* const said = streams_.is_empty() ? nullptr : &made;
  return config_.dec_scope == Scope::kTree
             ? RunTree(u, segments, depth, said)
             : RunStack(*dec_, DecoderSpec(config_), u, segments, {}, depth, said);
}

torch::Tensor LevelImpl::DecodeWithPrefixes(
    const torch::Tensor& u, const torch::Tensor& h,
    const torch::Tensor& segments, LevelSpan above,
    absl::Span<LevelActivations> activations, MemorySpan memories) {
  const auto o = Above(h, SegmentsAbove(segments, nullptr), nullptr, above,
                       activations, memories);
  const auto y = Decode(WithPrefixes(config_, u, Bridge(o)),
                        SegmentsOfPlaces(config_, segments),
                        activations.empty() ? nullptr : &activations[0].dec_depth,
                        memories);
  return WithoutPrefixes(config_, y, u.size(1));
}

torch::Tensor LevelImpl::RunTree(const torch::Tensor& u,
                                 const torch::Tensor& segments, StackDepth* depth,
                                 const StreamOutputs* said) {
  const auto options = u.options().requires_grad(false);
  const TreeShape tree = TreeOf(config_);
  const TreePlan plan =
      MakeTreePlan(tree, u.size(0), u.size(1), segments,
                   turns_.Get(TreeRopeRows(tree), options).q, options,
                   faults_.tree_node_early);
  if (dec_->reversible()) {
    return dec_->RunStreams(
        u, [plan](int, AttentionLayerImpl& attention, const torch::Tensor& x) {
          return attention.forward(x, plan);
        });
  }
  return dec_->Run(
      u,
      [&](int run, TransformerLayerImpl& layer, const torch::Tensor& x,
          const ItemDepth&) { return Merged(run, layer.forward(x, plan), said); },
      depth);
}

torch::Tensor LevelImpl::RunStack(LayerStackImpl& stack, const ScopeSpec& spec,
                                  const torch::Tensor& x,
                                  const torch::Tensor& segments,
                                  const torch::Tensor& index, StackDepth* depth,
                                  const StreamOutputs* said) {
  if (stack.runs() == 0) return x;
  const auto options = x.options().requires_grad(false);
  const AttentionPlan plan = PlanOf(spec, x, segments);
  auto entered = x;
  if (!position_.is_empty()) {
    entered = Enter(x, index.defined() ? index
                                       : IndexInDocument(x.size(1), segments, options));
  }
  if (stack.reversible()) {
    return stack.RunStreams(
        entered, [plan](int, AttentionLayerImpl& attention, const torch::Tensor& y) {
          return attention.forward(y, plan);
        });
  }
  return stack.Run(
      entered,
      [&](int run, TransformerLayerImpl& layer, const torch::Tensor& y,
          const ItemDepth&) { return Merged(run, layer.forward(y, plan), said); },
      depth);
}

AttentionPlan LevelImpl::PlanOf(const ScopeSpec& spec, const torch::Tensor& x,
                                const torch::Tensor& segments) {
  const auto options = x.options().requires_grad(false);
  const TurnTables turns = turns_.Get(x.size(1), options);
  if (is_training() && config_.trained_attention != TrainedAttention::kExact) {
    return MakeBucketPlan(x.size(0), x.size(1), segments, turns, /*causal=*/true);
  }
  return MakeAttentionPlan(spec, x.size(0), x.size(1), segments, turns, options);
}

torch::Tensor LevelImpl::RunSegment(LayerStackImpl& stack, const ScopeSpec& spec,
                                    const torch::Tensor& x,
                                    const torch::Tensor& segments,
                                    const LevelMemory& level,
                                    std::vector<torch::Tensor>* memories,
                                    StackDepth* depth) {
  if (stack.runs() == 0) return x;
  const auto options = x.options().requires_grad(false);
  std::map<int64_t, AttentionPlan> plans;  // by the items that a run carries
  for (const torch::Tensor& memory : *memories) {
    const int64_t carried = memory.size(1);
    const int64_t items = carried + x.size(1);
    if (plans.count(carried) > 0) continue;
    plans[carried] = MakeAttentionPlan(spec, x.size(0), items,
                                       WithPastSegments(level, carried, segments),
                                       turns_.Get(items, options), options,
                                       (level.past - carried).clamp_min(0));
  }
  return stack.Run(
      x,
      [&](int run, TransformerLayerImpl& layer, const torch::Tensor& y,
          const ItemDepth&) {
        const torch::Tensor past = (*memories)[run];
        (*memories)[run] = Carried(past, y);
        return layer.forward(y, plans.at(past.size(1)), past);
      },
      depth);
}

torch::Tensor LevelImpl::ShiftSegment(const torch::Tensor& skip,
                                      const torch::Tensor& segments,
                                      LevelMemory* memory) {
  const int64_t n = skip.size(1);
  const auto shifted =
      at::cat({memory->last.unsqueeze(1), skip.narrow(1, 0, n - 1)}, 1);
  memory->last = skip.select(1, n - 1).detach().clone();
  const auto begins = at::cat({(memory->past == 0).unsqueeze(1),
                               DocumentBegins(segments).narrow(1, 1, n - 1)},
                              1);
  return at::where(begins.unsqueeze(-1), start_, shifted);
}

torch::Tensor LevelImpl::Shift(const torch::Tensor& skip,
                               const torch::Tensor& segments) {
  const auto first = start_.expand({skip.size(0), 1, config_.dim});
  auto shifted = at::cat({first, skip}, 1);
  if (!segments.defined() || skip.size(1) == 0) return shifted;
  return at::where(DocumentBegins(segments).unsqueeze(-1), start_, shifted);
}

torch::Tensor LevelImpl::AddAbove(const torch::Tensor& u, const torch::Tensor& h,
                                  const torch::Tensor& segments,
                                  const RaggedUnits* units, LevelSpan above,
                                  absl::Span<LevelActivations> activations,
                                  MemorySpan memories) {
  const auto segments_above = SegmentsAbove(segments, units);
  const auto o = Above(h, segments_above, units, above, activations, memories);
  const auto bridged = Bridge(o);
  const auto v = u + Spread(bridged, u.size(1), units);
  if (!memories.empty()) {
    return WithPastContexts(v, o, bridged, segments_above, memories[1], &memories[0]);
  }
  return WithContexts(v, bridged, segments_above, units);
}

torch::Tensor LevelImpl::AddAboveRouted(
    const torch::Tensor& u, const torch::Tensor& h, const torch::Tensor& segments,
    LevelSpan above, absl::Span<LevelActivations> activations) {
  const int64_t n = h.size(1);
  const auto begins = segments.defined()
                          ? DocumentBegins(segments)
                          : DocumentBegins(torch::zeros(
                                {h.size(0), n + 1},
                                h.options().dtype(torch::kLong).requires_grad(false)));
  const auto p = router_->forward(h, begins.narrow(1, 0, n));
  const RaggedUnits units = CutRoutedUnits(config_, p.detach() >= kRouterEven, segments);
  const auto segments_above = SegmentsAbove(segments, &units);
  const auto o = Above(h, segments_above, &units, above, activations, {});
  if (!activations.empty()) {
    activations[0].end_p = p;
    activations[0].end_counted = begins.narrow(1, 0, n).logical_not();
  }
  const auto bridged = Bridge(Smoothed(o, Shares(p, units, segments_above)));
  const auto said = Spread(bridged, n + 1, &units);
  // Neither before the first item with which a unit may end nor at the last one, nor
  // over the border of documents.
  const auto taken = units.offset.narrow(1, 0, n) + 1;
  const auto free = (taken >= config_.block_min) & (taken < config_.block);
  const auto confidence = at::constant_pad_nd(Confidence(p, free), {1, 0}, 1);
  return WithContexts(u + said * confidence.masked_fill(begins, 1).unsqueeze(-1),
                      bridged, segments_above, &units);
}

torch::Tensor LevelImpl::WithContexts(const torch::Tensor& v,
                                      const torch::Tensor& bridged,
                                      const torch::Tensor& segments_above,
                                      const RaggedUnits* units) {
  if (bridge_attention_.is_empty()) return v;
  const auto newest =
      units != nullptr
          ? units->of_context
          : torch::arange(bridged.size(1), torch::TensorOptions()
                                               .dtype(torch::kLong)
                                               .device(v.device()))
                .unsqueeze(0);
  const ContextWindows windows =
      WindowsOf(newest, config_.bridge_window, segments_above);
  return v + bridge_attention_->forward(v, units != nullptr ? 1 : config_.block,
                                        bridged.narrow(2, config_.block, 2),
                                        windows);
}

torch::Tensor LevelImpl::WithPastContexts(const torch::Tensor& v,
                                          const torch::Tensor& o,
                                          const torch::Tensor& bridged,
                                          const torch::Tensor& segments_above,
                                          const LevelMemory& above,
                                          LevelMemory* memory) {
  if (bridge_attention_.is_empty()) return v;
  const int64_t carried = CarriedContexts(config_);
  const auto all = at::cat({Bridge(memory->contexts), bridged}, 1);
  const auto windows =
      WindowsOf(torch::arange(carried, all.size(1), segments_above.options())
                    .unsqueeze(0),
                config_.bridge_window, WithPastSegments(above, carried, segments_above));
  memory->contexts = Carried(memory->contexts, o);
  return v + bridge_attention_->forward(
                 v, config_.block, all.narrow(2, config_.block, 2), windows);
}

torch::Tensor LevelImpl::Above(const torch::Tensor& h,
                               const torch::Tensor& segments_above,
                               const RaggedUnits* units, LevelSpan above,
                               absl::Span<LevelActivations> activations,
                               MemorySpan memories) {
  const auto p = PoolAll(h, units);
  const auto rest =
      activations.empty() ? activations : activations.subspan(1);
  auto o = above[0]->forward(p, segments_above, nullptr, above.subspan(1), rest,
                             memories.empty() ? memories : memories.subspan(1));
  if (!activations.empty()) {
    activations[0].p = p;
    activations[0].o = o;
    if (units != nullptr) activations[0].units = *units;
  }
  if (faults_.no_block_shift && o.size(1) > 1) {
    o = at::cat({o.slice(1, 1), o.slice(1, -1)}, 1);
  }
  return o;
}

torch::Tensor LevelImpl::PoolAll(const torch::Tensor& h,
                                 const RaggedUnits* units) {
  if (units == nullptr) return pool_->forward(h);
  const auto last = units->last.unsqueeze(-1).expand({-1, -1, h.size(2)});
  const auto pooled = pool_->OfUnits(h.gather(1, last).flatten(0, 1).unsqueeze(1));
  return pooled.view({h.size(0), last.size(1), pooled.size(1)});
}

torch::Tensor LevelImpl::SegmentsAbove(const torch::Tensor& segments,
                                       const RaggedUnits* units) {
  if (!segments.defined()) return segments;
  if (units != nullptr) return segments.gather(1, units->first);
  // Documents start at multiples of the block, so a block has one document.
  return segments.slice(1, 0, {}, config_.block);
}

torch::Tensor LevelImpl::Spread(const torch::Tensor& bridged, int64_t contexts,
                                const RaggedUnits* units) {
  if (units == nullptr) {
    // Row r of each context of the level above belongs to offset r of its block,
    // or one row to all of them.
    return bridged.slice(2, 0, config_.block)
        .expand({-1, -1, config_.block, -1})
        .reshape({bridged.size(0), bridged.size(1) * config_.block, config_.dim})
        .narrow(1, 0, contexts);
  }
  const int64_t rows = BridgeRows(config_);
  const auto row = units->of_context * rows + units->offset.remainder(rows);
  return bridged.flatten(1, 2).gather(
      1, row.unsqueeze(-1).expand({-1, -1, config_.dim}));
}

torch::Tensor LevelImpl::Bridge(const torch::Tensor& o) {
  auto shape = o.sizes().vec();
  shape.back() = BridgeRows(config_);
  shape.push_back(config_.dim);
  return bridge_->forward(o).view(shape);
}

}  // namespace strata
