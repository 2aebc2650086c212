#pragma once
// Level: one level of the hierarchy, and through `above` all levels over it.
// Items in, contexts out; context i depends on items before i. The formula is
// in model/README.md. Thread-compatible.

#include <torch/torch.h>

#include <vector>

#include "absl/types/span.h"
#include "model/availability.h"
#include "model/hierarchy/layer_stack.h"
#include "model/hierarchy/ragged_units.h"
#include "model/hierarchy/segment_memory.h"
#include "model/model_config.h"
#include "model/nn/attention_plan.h"
#include "model/nn/bridge_attention.h"
#include "model/nn/entrance_positions.h"
#include "model/nn/linear.h"
#include "model/nn/multirate_stack.h"
#include "model/nn/pooling_layer.h"
#include "model/nn/rms_norm.h"
#include "model/nn/router.h"
#include "model/nn/turn_tables.h"

namespace strata {

// What a level computed, for parity tests and diagnosis.
struct LevelActivations {
  torch::Tensor h;  // [B, n, D] encoder's output
  torch::Tensor p;  // [B, n / b, U] pooled blocks; undefined at the top
  torch::Tensor o;  // [B, n / b + 1, U] contexts of the level above; likewise
  torch::Tensor c;  // [B, n + 1, D] contexts
  RaggedUnits units;  // as they were cut; undefined where blocks are fixed
  // Of a router, undefined without one: [B, n] its probabilities, and of bool, which
  // of them are of no document's first item.
  torch::Tensor end_p, end_counted;
  // Of the encoder's items, and of the decoder's places, prefixes included.
  StackDepth enc_depth, dec_depth;
};

class LevelImpl;
using LevelSpan = absl::Span<LevelImpl* const>;
using MemorySpan = absl::Span<LevelMemory>;

class LevelImpl : public torch::nn::Module {
 public:
  // Level l of `config`. `faults` other than none: tests only.
  LevelImpl(const ModelConfig& config, int l, ShadowFaults faults);

  // z [B, n, D] -> c [B, n + 1, D], n >= 0. `segments`: [B, n + 1] document of
  // the item that each context predicts, or undefined. `units`: null where blocks
  // are fixed or a router cuts them. `above`: the levels over this one, next first. `activations`:
  // null, or this level's and theirs.
  // `memories`: empty, or this level's and theirs, z being a segment that begins with
  // what they hold and leaves in them what the next one needs: then segments are
  // [B, n], n is a multiple of the block, and c is [B, n, D], what predicts the items
  // of z.
  torch::Tensor forward(const torch::Tensor& z, const torch::Tensor& segments,
                        const RaggedUnits* units, LevelSpan above,
                        absl::Span<LevelActivations> activations,
                        MemorySpan memories = {});

  // The parts of that formula, for executors that keep a state between items.
  // h of the items alone: z [B, n, D] -> [B, n, D]. `depth`: null, or what became of
  // them. `index`: of each item in its
  // document, [B or 1, n]; undefined: rows begin with item 0 and `segments` say more.
  torch::Tensor Encode(const torch::Tensor& z, const torch::Tensor& segments,
                       const torch::Tensor& index, StackDepth* depth = nullptr);
  // What the position scheme adds at the entrance of a stack: x [.., n, D], index as
  // above or [n].
  torch::Tensor Enter(const torch::Tensor& x, const torch::Tensor& index) {
    return position_.is_empty() ? x : position_->forward(x, index);
  }
  LayerStackImpl& encoder() { return *enc_; }
  LayerStackImpl& decoder() { return *dec_; }
  // [units, PoolItems, D] -> [units, U].
  torch::Tensor Pool(const torch::Tensor& units) {
    return pool_->OfUnits(units);
  }
  // What the pool weighs of such units: PoolingLayerImpl::WeightsOf.
  torch::Tensor PoolWeights(const torch::Tensor& units) {
    return pool_->WeightsOf(units);
  }
  // o [.., U] -> [.., BridgeRows, D].
  torch::Tensor Bridge(const torch::Tensor& o);
  // Empty where the bridge does not attend.
  BridgeAttention& bridge_attention() { return bridge_attention_; }
  // Empty where no streams stand beside the decoder.
  MultirateStack& streams() { return streams_; }
  torch::Tensor Norm(const torch::Tensor& x) { return norm_->forward(x); }
  Router& router() { return router_; }  // empty where the level has none
  const torch::Tensor& start() const { return start_; }  // [D]

 private:
  // `depth`, here and below: null, or what became of the items.
  torch::Tensor Decode(const torch::Tensor& u, const torch::Tensor& segments,
                       StackDepth* depth, MemorySpan memories);
  // `said`, here and below: of streams beside the stack, or null.
  torch::Tensor RunStack(LayerStackImpl& stack, const ScopeSpec& spec,
                         const torch::Tensor& x, const torch::Tensor& segments,
                         const torch::Tensor& index, StackDepth* depth,
                         const StreamOutputs* said = nullptr);
  // The same over a segment, with the runs' memories of `level`.
  torch::Tensor RunSegment(LayerStackImpl& stack, const ScopeSpec& spec,
                           const torch::Tensor& x, const torch::Tensor& segments,
                           const LevelMemory& level,
                           std::vector<torch::Tensor>* memories, StackDepth* depth);
  // Whom the items of a stack see, over whole texts.
  AttentionPlan PlanOf(const ScopeSpec& spec, const torch::Tensor& x,
                       const torch::Tensor& segments);
  torch::Tensor RunTree(const torch::Tensor& u, const torch::Tensor& segments,
                        StackDepth* depth, const StreamOutputs* said);
  torch::Tensor Merged(int run, const torch::Tensor& x, const StreamOutputs* said) {
    return said == nullptr ? x : streams_->Merged(run, x, *said);
  }
  // start, then skip one item later; start again where a document begins.
  torch::Tensor Shift(const torch::Tensor& skip, const torch::Tensor& segments);
  // The same of a segment, whose first context stands on the item before it.
  torch::Tensor ShiftSegment(const torch::Tensor& skip, const torch::Tensor& segments,
                             LevelMemory* memory);
  // Units by the router's wishes: AddAbove, and what it adds to it.
  torch::Tensor AddAboveRouted(const torch::Tensor& u, const torch::Tensor& h,
                               const torch::Tensor& segments, LevelSpan above,
                               absl::Span<LevelActivations> activations);
  // u [B, n + 1, D] with what the levels above say about each of them.
  torch::Tensor AddAbove(const torch::Tensor& u, const torch::Tensor& h,
                         const torch::Tensor& segments, const RaggedUnits* units,
                         LevelSpan above, absl::Span<LevelActivations> activations,
                         MemorySpan memories);
  // Contexts o of the level above, one more than there are units.
  torch::Tensor Above(const torch::Tensor& h, const torch::Tensor& segments_above,
                      const RaggedUnits* units, LevelSpan above,
                      absl::Span<LevelActivations> activations,
                      MemorySpan memories);
  // The vectors of the units, and the documents of the contexts above.
  torch::Tensor PoolAll(const torch::Tensor& h, const RaggedUnits* units);
  torch::Tensor SegmentsAbove(const torch::Tensor& segments,
                              const RaggedUnits* units);
  // The decoder over u, with what the levels above say before each block.
  torch::Tensor DecodeWithPrefixes(const torch::Tensor& u, const torch::Tensor& h,
                                   const torch::Tensor& segments, LevelSpan above,
                                   absl::Span<LevelActivations> activations,
                                   MemorySpan memories);
  // Each context of the level above to the items of its unit.
  torch::Tensor Spread(const torch::Tensor& bridged, int64_t contexts,
                       const RaggedUnits* units);
  // v, and what its items make of the contexts that they attend to.
  torch::Tensor WithContexts(const torch::Tensor& v, const torch::Tensor& bridged,
                             const torch::Tensor& segments_above,
                             const RaggedUnits* units);
  // The same in a segment: `o` are its contexts, those before it are in `memory`.
  torch::Tensor WithPastContexts(const torch::Tensor& v, const torch::Tensor& o,
                                 const torch::Tensor& bridged,
                                 const torch::Tensor& segments_above,
                                 const LevelMemory& above, LevelMemory* memory);

  LevelConfig config_;
  ShadowFaults faults_;
  TurnCache turns_;
  torch::Tensor start_;  // [D]
  EntrancePositions position_{nullptr};
  LayerStack enc_;
  LayerStack dec_;
  PoolingLayer pool_{nullptr};
  Linear bridge_{nullptr};
  BridgeAttention bridge_attention_{nullptr};
  Router router_{nullptr};
  MultirateStack streams_{nullptr};
  RmsNorm norm_;
};
TORCH_MODULE(Level);

}  // namespace strata
