#include "model/inspect/inspection_pass.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "model/inspect/level_items.h"
#include "model/inspect/level_watch.h"
#include "model/inspect/stack_keys.h"
#include "model/stream_levels.h"

namespace strata {
namespace {

std::vector<AttentionMap> TakeMaps(std::map<int, LayerWatch>* watches) {
  std::vector<AttentionMap> maps;
  for (auto& [layer, watch] : *watches) watch.TakeInto(&maps);
  std::stable_sort(maps.begin(), maps.end(),
                   [](const auto& a, const auto& b) { return a.layer < b.layer; });
  return maps;
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
                         std::map<int, LayerWatch>* watches) {
  InspectedStack stack;
  stack.kind = encoder ? InspectedStack::Kind::kEncoder : InspectedStack::Kind::kDecoder;
  stack.scope = encoder ? level.enc_scope : level.dec_scope;
  stack.layers = encoder ? EncoderRuns(level) : DecoderRuns(level);
  stack.keys =
      encoder ? EncoderPositions(items) : DecoderPositions(level, items);
  stack.positions = static_cast<int64_t>(stack.keys.size());
  if (stack.scope == Scope::kTree) AddNodes(TreeOf(level), &stack.keys);
  stack.depths = DepthsOf(depth);
  stack.maps = TakeMaps(watches);
  for (AttentionMap& map : stack.maps) EmptyStopped(stack.depths, &map);
  return stack;
}

InspectedStack MakeStream(const LevelConfig& level, const LevelItems& items, size_t number,
                          std::map<int, LayerWatch>* watches) {
  const StreamConfig& stream = level.streams[number];
  const LevelConfig alone = StreamLevel(level, stream);
  InspectedStack stack;
  stack.kind = InspectedStack::Kind::kStream;
  stack.stream = static_cast<int>(number);
  stack.rate = stream.rate;
  stack.stride = stream.stride;
  stack.scope = alone.dec_scope;
  stack.layers = alone.dec_layers;
  stack.keys = StreamPositions(stream, DecoderPositions(level, items));
  stack.positions = static_cast<int64_t>(stack.keys.size());
  stack.maps = TakeMaps(watches);
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

std::vector<InspectedStack> StacksOf(const LevelConfig& level, const LevelItems& items,
                                     const LevelActivations& told, WatchedLevel* watched) {
  std::vector<InspectedStack> stacks;
  if (level.enc_layers > 0) {
    stacks.push_back(MakeStack(level, items, true, told.enc_depth, &watched->encoder));
  }
  if (watched->bridge.has_value()) {
    stacks.push_back(MakeBridge(level, items, &*watched->bridge));
  }
  if (level.dec_layers > 0) {
    stacks.push_back(MakeStack(level, items, false, told.dec_depth, &watched->decoder));
  }
  for (size_t r = 0; r < watched->streams.size(); ++r) {
    stacks.push_back(MakeStream(level, items, r, &watched->streams[r]));
  }
  return stacks;
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
  auto watched = WatchLevels(model, selection, top_k);
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
    out.stacks = StacksOf(level, of_levels[l], pass.activations[l], &watched[i]);
    out.units = MakeUnits(model->level(selection[i].level), level, of_levels[l],
                          pass.activations[l].h, selection[i].heads);
    pass.inspection.levels.push_back(std::move(out));
  }
  return pass;
}

}  // namespace strata
