#include "model/inspect/inspection_pass.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "model/inspect/attention_recorder.h"
#include "model/inspect/level_items.h"
#include "model/inspect/stack_keys.h"
#include "model/nn/attention_layer.h"
#include "model/nn/bridge_attention.h"

namespace strata {
namespace {

// A recorder for each run of one layer that is asked for, off the layer again when it
// goes. A layer runs as often as its level repeats.
class Watch final : public AttentionWatcher {
 public:
  explicit Watch(AttentionLayerImpl& layer) : layer_(layer) {
    layer_.Watch(this);
  }
  ~Watch() override { layer_.Watch(nullptr); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

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
  std::map<int, Watch> encoder;  // by layer
  std::map<int, Watch> decoder;
  std::optional<BridgeWatch> bridge;
};

// `wanted`: numbers of layers as the stack runs them.
void WatchStack(LayerStackImpl& stack, int layers, const std::vector<int>& wanted,
                const std::vector<int>& heads, int top_k,
                std::map<int, Watch>* watches) {
  for (const int number : wanted) {
    const auto watch =
        watches->try_emplace(number % layers, stack.layer(number).attention());
    watch.first->second.Add(number / layers, number, heads, top_k);
  }
}

std::deque<WatchedLevel> WatchAll(const HierarchicalTransformer& model,
                                  const std::vector<LevelSelection>& selection,
                                  int top_k) {
  std::deque<WatchedLevel> watched;  // its elements stay where they are
  for (const LevelSelection& chosen : selection) {
    LevelImpl& level = model->level(chosen.level);
    const LevelConfig& config =
        model->config().levels[static_cast<size_t>(chosen.level)];
    WatchedLevel& here = watched.emplace_back();
    WatchStack(level.encoder(), config.enc_layers, chosen.encoder_layers,
               chosen.heads, top_k, &here.encoder);
    WatchStack(level.decoder(), config.dec_layers, chosen.decoder_layers,
               chosen.heads, top_k, &here.decoder);
    if (!level.bridge_attention().is_empty()) {
      here.bridge.emplace(level.bridge_attention(), chosen.heads, top_k);
    }
  }
  return watched;
}

// Of one row.
std::vector<int32_t> DepthsOf(const StackDepth& depth) {
  if (!depth.layers.defined()) return {};
  const auto passed = depth.layers.to(torch::kInt).cpu().contiguous();
  const int32_t* values = passed.const_data_ptr<int32_t>();
  return {values, values + passed.numel()};
}

// A position that had stopped attended to nothing.
void EmptyStopped(const std::vector<int32_t>& depths, AttentionMap* map) {
  for (size_t i = 0; i < depths.size(); ++i) {
    if (depths[i] <= map->layer) map->rows[i] = {};
  }
}

InspectedStack MakeStack(const LevelConfig& level, const LevelItems& items,
                         bool encoder, const StackDepth& depth,
                         std::map<int, Watch>* watches) {
  InspectedStack stack;
  stack.kind = encoder ? InspectedStack::Kind::kEncoder : InspectedStack::Kind::kDecoder;
  stack.scope = encoder ? level.enc_scope : level.dec_scope;
  stack.layers = encoder ? EncoderRuns(level) : DecoderRuns(level);
  stack.keys =
      encoder ? EncoderPositions(items) : DecoderPositions(level, items);
  stack.positions = static_cast<int64_t>(stack.keys.size());
  if (stack.scope == Scope::kTree) AddNodes(TreeOf(level), &stack.keys);
  stack.depths = DepthsOf(depth);
  for (auto& [layer, watch] : *watches) watch.TakeInto(&stack.maps);
  for (AttentionMap& map : stack.maps) EmptyStopped(stack.depths, &map);
  std::stable_sort(stack.maps.begin(), stack.maps.end(),
                   [](const auto& a, const auto& b) { return a.layer < b.layer; });
  return stack;
}

InspectedStack MakeBridge(const LevelConfig& level, const LevelItems& items,
                          BridgeWatch* watch) {
  InspectedStack stack;
  stack.kind = InspectedStack::Kind::kBridge;
  stack.scope = Scope::kWindow;
  stack.layers = 1;
  stack.keys = DecoderPositions(level, items);
  stack.positions = static_cast<int64_t>(stack.keys.size());
  AddContexts(items, &stack.keys);
  stack.maps = watch->Take();
  return stack;
}

// Of one row; empty where blocks are fixed.
std::vector<uint8_t> UnitEndsOf(const LevelActivations& level) {
  if (!level.units.ends.defined()) return {};
  const auto ends = level.units.ends.to(torch::kByte).cpu().contiguous();
  const uint8_t* values = ends.const_data_ptr<uint8_t>();
  return {values, values + ends.numel()};
}

std::vector<PooledUnit> MakeUnits(LevelImpl& level, const LevelConfig& config,
                                  const LevelItems& items,
                                  const torch::Tensor& h,
                                  const std::vector<int>& heads) {
  std::vector<PooledUnit> units;
  for (const ItemRange& unit : items.units) {
    units.push_back({unit.begin, unit.end, {}});
  }
  if (config.pool != PoolKind::kAttention || units.empty()) return units;
  const auto count = static_cast<int64_t>(units.size());
  const auto weights =
      level.PoolWeights(h.narrow(1, 0, count * config.block)
                            .reshape({count, config.block, config.dim}))
          .to(torch::kFloat)
          .cpu()
          .contiguous();
  for (int64_t j = 0; j < count; ++j) {
    for (const int head : heads) {
      const float* row = weights[j][head].const_data_ptr<float>();
      units[static_cast<size_t>(j)].weights.emplace_back(row,
                                                         row + config.block);
    }
  }
  return units;
}

// -log2 p of each byte, an item's spread evenly over its bytes; row i of the logits
// predicts item i. `lengths`: bytes of each item.
std::vector<double> Surprise(const torch::Tensor& logits, const torch::Tensor& fed,
                             absl::Span<const int64_t> lengths) {
  const auto items = fed.slice(1, 1).flatten();
  const auto predicting = logits.select(0, 0).narrow(0, 1, items.size(0));
  const auto bits = (predicting.to(torch::kDouble).log_softmax(-1) /
                     -std::log(2.0))
                        .gather(1, items.unsqueeze(1))
                        .cpu()
                        .contiguous();
  const double* values = bits.const_data_ptr<double>();
  std::vector<double> surprise;
  for (size_t i = 1; i < lengths.size(); ++i) {
    surprise.insert(surprise.end(), lengths[i],
                    values[i - 1] / static_cast<double>(lengths[i]));
  }
  return surprise;
}

std::vector<int64_t> BytesOf(const std::vector<int64_t>& fed,
                             const Tokenizer& tokenizer) {
  std::vector<int64_t> lengths;
  for (const int64_t item : fed) {
    lengths.push_back(
        static_cast<int64_t>(tokenizer.BytesOf(static_cast<Item>(item)).size()));
  }
  return lengths;
}

}  // namespace

InspectedPass InspectPass(HierarchicalTransformer model,
                          const std::vector<int64_t>& fed,
                          const std::vector<LevelSelection>& selection,
                          int top_k, const Tokenizer& tokenizer) {
  torch::NoGradGuard no_grad;
  const ModelConfig& config = model->config();
  InspectedPass pass;
  auto watched = WatchAll(model, selection, top_k);
  const auto items = torch::tensor(fed, torch::kLong).unsqueeze(0);
  pass.logits = model->Head(model->Contexts(items, {}, &pass.activations));
  const std::vector<int64_t> lengths = BytesOf(fed, tokenizer);
  pass.inspection.surprise_bits = Surprise(pass.logits, items, lengths);
  const std::vector<LevelItems> of_levels =
      ItemsOfLevels(config, lengths, UnitEndsOf(pass.activations[0]));
  for (size_t i = 0; i < selection.size(); ++i) {
    const auto l = static_cast<size_t>(selection[i].level);
    const LevelConfig& level = config.levels[l];
    InspectedLevel out;
    out.selection = selection[i];
    out.items = of_levels[l].bytes;
    if (level.enc_layers > 0) {
      out.stacks.push_back(
          MakeStack(level, of_levels[l], true, pass.activations[l].enc_depth,
                    &watched[i].encoder));
    }
    if (watched[i].bridge.has_value()) {
      out.stacks.push_back(MakeBridge(level, of_levels[l], &*watched[i].bridge));
    }
    if (level.dec_layers > 0) {
      out.stacks.push_back(
          MakeStack(level, of_levels[l], false, pass.activations[l].dec_depth,
                    &watched[i].decoder));
    }
    out.units = MakeUnits(model->level(selection[i].level), level, of_levels[l],
                          pass.activations[l].h, selection[i].heads);
    pass.inspection.levels.push_back(std::move(out));
  }
  return pass;
}

}  // namespace strata
