#pragma once
// Recorders on the layers and bridges of a model that a selection names, for one pass of
// one text; off them again when they go. Single owner thread.

#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/inspect/attention_recorder.h"
#include "model/inspector.h"
#include "model/nn/attention_layer.h"
#include "model/nn/bridge_attention.h"

namespace strata {

// A recorder for each run of one layer that is asked for, off the layer again when it
// goes. A layer runs as often as its level repeats.
class LayerWatch final : public AttentionWatcher {
 public:
  explicit LayerWatch(AttentionLayerImpl& layer) : layer_(layer) {
    layer_.Watch(this);
  }
  ~LayerWatch() override { layer_.Watch(nullptr); }
  LayerWatch(const LayerWatch&) = delete;
  LayerWatch& operator=(const LayerWatch&) = delete;

  // `number`: of the layer in its stack, in that run.
  void Add(int repeat, int number, const std::vector<int>& heads, int top_k) {
    recorders_.try_emplace(repeat, number, AttentionRecorder(heads, top_k));
  }
  void OnWeights(const AttentionPlan& plan, int64_t first,
                 const torch::Tensor& weights) override {
    if (AttentionRecorder* const recorder = RecorderOf(first)) {
      recorder->OnWeights(plan, first, weights);
    }
  }
  void OnTreeWeights(const TreePlan& plan, int64_t first,
                     const torch::Tensor& weights) override {
    if (AttentionRecorder* const recorder = RecorderOf(first)) {
      recorder->OnTreeWeights(plan, first, weights);
    }
  }
  void OnNeighbourWeights(int64_t query, int64_t key,
                          const torch::Tensor& weights) override {
    const auto found = recorders_.find(repeat_);
    if (found == recorders_.end()) return;
    found->second.second.OnNeighbourWeights(query, key, weights);
  }
  void TakeInto(std::vector<AttentionMap>* maps) {
    for (auto& [repeat, of] : recorders_) {
      for (AttentionMap& map : of.second.Take(of.first)) {
        maps->push_back(std::move(map));
      }
    }
  }

 private:
  // Weights come in order of `first`: with query 0 a run begins.
  AttentionRecorder* RecorderOf(int64_t first) {
    if (first == 0) ++repeat_;
    const auto found = recorders_.find(repeat_);
    return found == recorders_.end() ? nullptr : &found->second.second;
  }

  AttentionLayerImpl& layer_;
  int repeat_ = -1;
  std::map<int, std::pair<int, AttentionRecorder>> recorders_;  // by repeat
};

// A recorder on a bridge, off it again when it goes.
class BridgeWatch {
 public:
  BridgeWatch(BridgeAttention bridge, const std::vector<int>& heads, int top_k)
      : bridge_(std::move(bridge)), recorder_(heads, top_k) {
    bridge_->Watch(&recorder_);
  }
  ~BridgeWatch() { bridge_->Watch(nullptr); }
  BridgeWatch(const BridgeWatch&) = delete;
  BridgeWatch& operator=(const BridgeWatch&) = delete;

  std::vector<AttentionMap> Take() { return recorder_.Take(0); }

 private:
  BridgeAttention bridge_;
  AttentionRecorder recorder_;
};

struct WatchedLevel {
  std::map<int, LayerWatch> encoder;  // by layer
  std::map<int, LayerWatch> decoder;
  std::optional<BridgeWatch> bridge;
  std::vector<std::map<int, LayerWatch>> streams;
};

// One a level of the selection. An element stays where it is.
std::deque<WatchedLevel> WatchLevels(const HierarchicalTransformer& model,
                                     const std::vector<LevelSelection>& selection, int top_k);

}  // namespace strata
