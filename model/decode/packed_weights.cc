#include "model/decode/packed_weights.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/decode/weight_taker.h"
#include "model/knn_rule.h"
#include "model/position_shape.h"
#include "model/stream_levels.h"

namespace strata {
namespace {

using Shape = std::vector<int64_t>;

// A learned query, scaled as attention scales its queries.
template <typename T>
std::vector<T> TakeQuery(WeightTaker<T>* take, const LevelConfig& level,
                         const std::string& name, const Shape& shape) {
  std::vector<T> query = take->Take(name, shape);
  const T scale =
      T(1) / std::sqrt(static_cast<T>(level.dim / level.heads));
  for (T& q : query) q *= scale;
  return query;
}

template <typename T>
void TakeTree(WeightTaker<T>* take, const LevelConfig& level, const std::string& at,
              LayerWeights<T>* out) {
  const Shape queries = {level.summaries, level.dim};
  out->leaf_query = TakeQuery(take, level, at + "leaf_query", queries);
  out->merge_query = TakeQuery(take, level, at + "merge_query", queries);
  out->tree_height = take->Take(
      at + "height", {TreeHeightRows(level.tree_height), level.dim});
  out->tree_norm = take->Take(at + "norm.weight", {level.dim});
}

template <typename T>
std::vector<std::vector<T>> TakePosition(
    WeightTaker<T>* take, const std::string& at,
    const std::vector<PositionTensor>& tensors) {
  std::vector<std::vector<T>> out;
  for (const PositionTensor& tensor : tensors) {
    out.push_back(
        take->Take(absl::StrCat(at, "position.", tensor.name), tensor.shape));
  }
  return out;
}

template <typename T>
GateWeights<T> TakeGate(WeightTaker<T>* take, const LevelConfig& level,
                        const std::string& at) {
  const int64_t d = level.dim;
  GateWeights<T> out;
  if (level.gate != GateKind::kGru) return out;
  out.input = take->TakeMatrix({at + "input.weight"}, 3 * d, d);
  out.state = take->TakeMatrix({at + "state.weight"}, 2 * d, d);
  out.candidate = take->TakeMatrix({at + "candidate.weight"}, d, d);
  out.bias = take->Take(at + "bias", {d});
  return out;
}

template <typename T>
std::vector<T> TakeRepeat(WeightTaker<T>* take, const LevelConfig& level,
                          const std::string& at, int layers) {
  const int64_t rows = RepeatRows(level, layers);
  if (rows == 0) return {};
  return take->Take(at + "repeat", {rows, level.dim});
}

template <typename T>
HaltingWeights<T> TakeHalting(WeightTaker<T>* take, const LevelConfig& level,
                              const std::string& at, int layers) {
  HaltingWeights<T> out;
  if (HaltingParameters(level, layers) == 0) return out;
  out.weight = take->Take(at + "halt.weight", {1, level.dim});
  take->TakeNumber(at + "halt.bias", &out.bias);
  return out;
}

template <typename T>
ExitWeights<T> TakeExits(WeightTaker<T>* take, const LevelConfig& level,
                         const std::string& at) {
  ExitWeights<T> out;
  if (level.exits == 0) return out;
  out.weight = take->Take(at + "exit.weight", {ExitRows(level), level.dim});
  out.bias = take->Take(at + "exit.bias", {ExitRows(level)});
  take->TakeNumber(at + "exit.threshold", &out.threshold);
  return out;
}

template <typename T>
KnnWeights<T> TakeKnn(WeightTaker<T>* take, const LevelConfig& level,
                      const std::string& at) {
  KnnWeights<T> out;
  out.scale = take->Take(at + "scale", {level.heads});
  for (T& scale : out.scale) scale = std::exp(scale);
  out.bias = take->Take(at + "bias", {level.heads});
  if (level.knn_gate == KnnGate::kContext) {
    out.gate = take->Take(at + "gate", {level.heads, level.dim});
  }
  return out;
}

template <typename T>
std::vector<LayerWeights<T>> TakeLayers(WeightTaker<T>* take, const LevelConfig& level,
                                        const std::string& at, int layers,
                                        Scope scope) {
  const int64_t d = level.dim;
  const int64_t f = d * level.ff_mult;
  std::vector<LayerWeights<T>> out;
  for (int i = 0; i < layers; ++i) {
    const std::string p = absl::StrCat(at, i, ".");
    LayerWeights<T> layer;
    layer.attn_norm = take->Take(p + "attn.norm.weight", {d});
    layer.qkv = take->TakeMatrix({p + "attn.qkv.weight"}, 3 * d, d);
    layer.attn_out = take->TakeMatrix({p + "attn.out.weight"}, d, d);
    layer.ff_norm = take->Take(p + "ff.norm.weight", {d});
    layer.up = take->TakeMatrix({p + "ff.up.weight"}, f, d);
    layer.down = take->TakeMatrix({p + "ff.down.weight"}, d, f);
    layer.attn_gate = TakeGate(take, level, p + "attn_gate.");
    layer.ff_gate = TakeGate(take, level, p + "ff_gate.");
    if (scope == Scope::kTree) TakeTree(take, level, p + "attn.tree.", &layer);
    if (level.trained_attention == TrainedAttention::kRouting) {
      take->Leave(p + "attn.buckets.centroids",
                  {level.heads, level.buckets, d / level.heads});
    }
    layer.position =
        TakePosition(take, p + "attn.", LayerPositionTensors(level, scope));
    out.push_back(std::move(layer));
  }
  return out;
}

template <typename T>
void TakePool(WeightTaker<T>* take, const LevelConfig& level, const std::string& at,
              int64_t up, LevelWeights<T>* out) {
  const int64_t d = level.dim;
  out->pool_norm = take->Take(at + "norm.weight", {d});
  out->pool_out = take->TakeMatrix({at + "out.weight"}, up, PoolWidth(level));
  if (level.pool != PoolKind::kAttention) return;
  out->pool_offset = take->Take(at + "offset", {level.block, d});
  out->pool_query = TakeQuery(take, level, at + "query", {d});
  out->pool_kv =
      take->TakeMatrix({at + "key.weight", at + "value.weight"}, d, d);
}

template <typename T>
void TakeBridge(WeightTaker<T>* take, const LevelConfig& level, const std::string& at,
                int64_t up, LevelWeights<T>* out) {
  const int64_t d = level.dim;
  out->bridge = take->TakeMatrix({at + "bridge.weight"}, BridgeRows(level) * d, up);
  if (level.bridge != BridgeKind::kAttention) return;
  const std::string p = at + "bridge_attention.";
  out->bridge_attention.norm = take->Take(p + "norm.weight", {d});
  out->bridge_attention.query = take->TakeMatrix({p + "query.weight"}, d, d);
  out->bridge_attention.out = take->TakeMatrix({p + "out.weight"}, d, d);
  out->bridge_attention.bias =
      take->Take(p + "bias", {level.heads, level.bridge_window});
}

template <typename T>
std::vector<MergeWeights<T>> TakeMerges(WeightTaker<T>* take, const LevelConfig& base,
                                        const std::string& at) {
  if (base.streams.empty()) return {};
  std::vector<MergeWeights<T>> merges(base.dec_layers);
  for (int i = 0; i < base.dec_layers; ++i) {
    const std::string p = absl::StrCat(at, i, ".");
    merges[i].norm = take->Take(p + "norm.weight", {MergeWidth(base)});
    merges[i].up =
        take->TakeMatrix({p + "up.weight"}, MergeHidden(base), MergeWidth(base));
    merges[i].down =
        take->TakeMatrix({p + "down.weight"}, base.dim, MergeHidden(base));
  }
  return merges;
}

template <typename T>
LevelWeights<T> TakeStream(WeightTaker<T>* take, const LevelConfig& base,
                           const StreamConfig& stream, const std::string& at) {
  const LevelConfig level = StreamLevel(base, stream);
  LevelWeights<T> out;
  out.compress =
      take->TakeMatrix({at + "compress.weight"}, stream.dim, stream.rate * base.dim);
  out.norm = take->Take(at + "norm.weight", {stream.dim});
  out.dec = TakeLayers(take, level, at + "dec.", level.dec_layers, level.dec_scope);
  return out;
}

template <typename T>
LevelWeights<T> TakeLevel(WeightTaker<T>* take, const ModelConfig& config, int l) {
  const LevelConfig& level = config.levels[l];
  const int64_t d = level.dim;
  const std::string p = absl::StrCat("level.", l, ".");
  LevelWeights<T> out;
  out.start = take->Take(p + "start", {d});
  out.norm = take->Take(p + "norm.weight", {d});
  out.enc = TakeLayers(take, level, p + "enc.", level.enc_layers,
                       level.enc_scope);
  out.dec = TakeLayers(take, level, p + "dec.", level.dec_layers,
                       level.dec_scope);
  if (HasKnn(level)) {
    const int run = KnnRun(level);
    out.dec[run].knn = TakeKnn(take, level, absl::StrCat(p, "dec.", run, ".attn.knn."));
  }
  out.enc_repeat = TakeRepeat(take, level, p + "enc.", level.enc_layers);
  out.dec_repeat = TakeRepeat(take, level, p + "dec.", level.dec_layers);
  out.enc_halt = TakeHalting(take, level, p + "enc.", level.enc_layers);
  out.dec_halt = TakeHalting(take, level, p + "dec.", level.dec_layers);
  out.dec_exit = TakeExits(take, level, p + "dec.");
  out.position = TakePosition(take, p, LevelPositionTensors(level));
  out.merges = TakeMerges(take, level, p + "streams.merge.");
  if (l + 1 == static_cast<int>(config.levels.size())) return out;
  const int64_t up = config.levels[l + 1].dim;
  TakePool(take, level, p + "pool.", up, &out);
  TakeBridge(take, level, p, up, &out);
  if (level.block_rule == BlockRule::kRouter) {
    out.router =
        take->TakeMatrixAs(WeightType::kFull, {p + "router.weight"}, 2 * d, d);
  }
  return out;
}

template <typename T>
std::vector<NgramWeights<T>> TakeNgramHeads(WeightTaker<T>* take,
                                            const ModelConfig& config) {
  const int64_t d = config.levels[0].dim;
  std::vector<NgramWeights<T>> heads(config.ngram_heads);
  for (int k = 0; k < config.ngram_heads; ++k) {
    const std::string p = absl::StrCat("ngram.", k, ".");
    heads[k].norm = take->Take(p + "norm.weight", {d});
    heads[k].up = take->TakeMatrix({p + "up.weight"}, d, d);
    heads[k].down = take->TakeMatrix({p + "down.weight"}, d, d);
  }
  return heads;
}

}  // namespace

template <typename T>
absl::StatusOr<ModelWeights<T>> PackWeights(
    const ModelConfig& config,
    const std::map<std::string, TensorView>& tensors, WeightType type) {
  WeightTaker<T> take(tensors, type);
  ModelWeights<T> weights;
  const int64_t d = config.levels[0].dim;
  weights.embedding = take.Take("embedding.weight", {config.vocab, d});
  weights.head = take.TakeMatrix({"head.weight"}, config.vocab, d);
  for (int l = 0; l < static_cast<int>(config.levels.size()); ++l) {
    weights.levels.push_back(TakeLevel(&take, config, l));
  }
  const LevelConfig& base = config.levels[0];
  for (size_t r = 0; r < base.streams.size(); ++r) {
    weights.levels.push_back(TakeStream(&take, base, base.streams[r],
                                        absl::StrCat("level.0.streams.", r, ".")));
  }
  weights.ngram = TakeNgramHeads(&take, config);
  STRATA_RETURN_IF_ERROR(take.Finish());
  weights.bytes = take.bytes();
  return weights;
}

template absl::StatusOr<ModelWeights<float>> PackWeights<float>(
    const ModelConfig&, const std::map<std::string, TensorView>&, WeightType);
template absl::StatusOr<ModelWeights<double>> PackWeights<double>(
    const ModelConfig&, const std::map<std::string, TensorView>&, WeightType);

}  // namespace strata
