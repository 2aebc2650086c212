#pragma once
// One ragged batch through the recursive level, incrementally, in tensors: the
// formula of model/README.md with the modules of the differentiable model and
// the states of a StatePool. The caller has checked the rows and holds the
// DeviceModel's lock. Errors are exceptions; sequences of a step that threw are
// of no use any more. Used for one step.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/decode/level_rows.h"
#include "model/decode/tensor/cached_attention.h"
#include "model/decode/tensor/device_model.h"
#include "model/decode/tensor/tensor_sequence.h"
#include "model/items.h"

namespace strata {

struct TensorRow {
  TensorSequence* sequence = nullptr;
  absl::Span<const Item> items;
  int64_t wanted = 0;  // contexts after so many of the last items
};

class TensorStep {
 public:
  explicit TensorStep(DeviceModel* model);

  // Feeds the rows; their sizes grow. Returns the wanted contexts of the byte level of
  // all rows one after another, which go into the output head: [wanted, D], on the
  // device; undefined where none is wanted.
  torch::Tensor Run(absl::Span<const TensorRow> rows);

  // Decodes position 0 of every level into a new sequence.
  void Prime(TensorSequence* sequence);

 private:
  using Batch = LevelBatch<TensorSequence>;

  // The last level; behind it are streams (model/stream_levels.h).
  int top() const { return static_cast<int>(model_->config().levels.size()) - 1; }
  const LevelConfig& level(int l) const { return model_->level(l); }
  LevelImpl& net(int l) const { return model_->net().level(l); }

  torch::Tensor Embed(absl::Span<const TensorRow> rows) const;
  // z [items, D] -> the wanted contexts [wanted, D].
  torch::Tensor Advance(int l, const torch::Tensor& z);
  // With streams beside it, if there are any.
  torch::Tensor RunDecoder(int l, const torch::Tensor& u);
  torch::Tensor RunStack(int l, Stack stack, const torch::Tensor& z);
  // Through all runs of a stack; an item that has stopped attends, which leaves its keys
  // and values, and passes no layer. `attend`: of the joint projection and the normed
  // items, in run i.
  template <typename Attend>
  torch::Tensor RunLayers(int l, Stack stack, const torch::Tensor& x, Attend attend);
  std::vector<CachedRow> CachedRows(int l, Stack stack) const;
  // The same rows of a decoder, in the ring of its memory of neighbours.
  std::vector<CachedRow> KnnRows(int l, std::vector<CachedRow> rows) const;
  // What the position scheme adds to the items z of the rows.
  torch::Tensor Enter(int l, const std::vector<CachedRow>& rows,
                      const torch::Tensor& z) const;
  // Of the items of the complete units: [units, b].
  torch::Tensor UnitPositions(int l) const;
  torch::Tensor RunTree(int l, const torch::Tensor& z,
                        const std::vector<CachedRow>& rows);
  // Of a scope that keeps sums.
  torch::Tensor RunSums(int l, Stack stack, const torch::Tensor& z,
                        const std::vector<CachedRow>& rows);
  // tensor_streams.cc: u [items, D] enters the decoder of bytes. What its layers will
  // take from each stream is then in `newest_`.
  const std::vector<StreamConfig>& streams() const {
    return model_->config().levels[0].streams;
  }
  void PlanStreams();
  void RunStreams(const torch::Tensor& u);
  // Of its new items [items, d] what each layer makes: [layers * items, d].
  torch::Tensor RunStream(int r, const torch::Tensor& compressed);
  torch::Tensor CollectEntered(int r, const torch::Tensor& u) const;
  void KeepEntered(const torch::Tensor& u);
  torch::Tensor NewestSaid(int r, const torch::Tensor& said) const;
  void KeepSaid(int r, const torch::Tensor& said);
  // u [DecoderRows, D] of h [items, D] and of what the level above says.
  torch::Tensor FromAbove(int l, const torch::Tensor& h);
  // tensor_router.cc: where a router ends units. Plans the levels above by h anew.
  void Route(int l, const torch::Tensor& h);
  // Mixes the new contexts of each sequence with those before: shape of `bridged`.
  torch::Tensor SmoothContexts(int l, const torch::Tensor& bridged) const;
  // Items enter the pool buffers; complete blocks come out: [units, b, D].
  torch::Tensor CollectUnits(int l, const torch::Tensor& h);
  // `bridged` [units * BridgeRows, D], undefined where there is no unit.
  torch::Tensor PickContexts(int l, const torch::Tensor& bridged);
  void KeepContexts(int l, const torch::Tensor& bridged);
  // What the level above says about the units that h completes, as the rows of
  // `bridged` above.
  torch::Tensor Bridged(int l, const torch::Tensor& h);
  // tensor_bridge.cc: u of v [items, D], where the bridge attends to contexts; keeps
  // the new ones.
  torch::Tensor WithContexts(int l, const torch::Tensor& v,
                             const torch::Tensor& bridged);
  void KeepBridge(int l, const torch::Tensor& bridged);
  // tensor_prefix.cc: skip [items, D] -> u [DecoderRows, D].
  torch::Tensor WithPrefixes(int l, const torch::Tensor& skip,
                             const torch::Tensor& bridged) const;
  torch::Tensor Wanted(int l, const torch::Tensor& x) const;

  DeviceModel* const model_;
  std::vector<Batch> batches_;  // per level, then per stream
  std::vector<torch::Tensor> newest_;  // per stream [layers, items, d]
  torch::Tensor end_p_;         // a router's, per item of the byte level
};

}  // namespace strata
