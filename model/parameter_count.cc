// What a model of a config has to learn: the numbers of all its tensors.

#include "model/knn_rule.h"
#include "model/model_config.h"
#include "model/position_shape.h"
#include "model/stack_depth.h"
#include "model/stream_levels.h"
#include "model/trained_attention.h"

namespace strata {
namespace {

int64_t PoolParameters(const LevelConfig& level, int64_t up) {
  const int64_t d = level.dim;
  const int64_t norm_and_out = d + up * PoolWidth(level);
  if (level.pool != PoolKind::kAttention) return norm_and_out;
  return norm_and_out + level.block * d + d + 2 * d * d;  // offset, query, k, v
}

// Of a bridge that attends, beside its matrix: a norm, query and out, the biases.
int64_t BridgeAttentionParameters(const LevelConfig& level) {
  if (level.bridge != BridgeKind::kAttention) return 0;
  const int64_t d = level.dim;
  return d + 2 * d * d + int64_t{level.heads} * level.bridge_window;
}

int64_t LayerParameters(const LevelConfig& level) {
  const int64_t d = level.dim;
  const int64_t f = level.ff_mult * d;
  const int64_t gates =
      level.gate == GateKind::kGru ? 2 * (6 * d * d + d) : 0;
  // qkv, out; up, down; two norms.
  return 4 * d * d + 2 * d * f + 2 * d + gates + CentroidNumbers(BucketsOf(level), d);
}

int64_t PositionParameters(const std::vector<PositionTensor>& tensors) {
  int64_t total = 0;
  for (const PositionTensor& tensor : tensors) {
    int64_t size = 1;
    for (const int64_t extent : tensor.shape) size *= extent;
    total += size;
  }
  return total;
}

// Of one n-gram head: a norm, up and down.
int64_t NgramHeadParameters(const LevelConfig& bytes) {
  const int64_t d = bytes.dim;
  return d + 2 * d * d;
}

// A decoder layer's part in the tree: two sets of queries, heights, a norm.
int64_t TreeParameters(const LevelConfig& level) {
  if (level.dec_scope != Scope::kTree) return 0;
  const int64_t rows =
      2 * level.summaries + TreeHeightRows(level.tree_height) + 1;
  return rows * level.dim;
}

}  // namespace

// A matrix of the items that one is made of, a norm, the layers.
int64_t StreamParameters(const LevelConfig& base, const StreamConfig& stream) {
  const int64_t d = stream.dim;
  return stream.rate * base.dim * d + d +
         base.dec_layers * LayerParameters(StreamLevel(base, stream));
}

// After each layer a norm, up and down.
int64_t MergeParameters(const LevelConfig& base) {
  if (base.streams.empty()) return 0;
  const int64_t width = MergeWidth(base);
  return base.dec_layers *
         (width + width * MergeHidden(base) + MergeHidden(base) * base.dim);
}

int64_t ParameterCount(const ModelConfig& config) {
  int64_t total = 2 * int64_t{config.vocab} * config.levels[0].dim;
  total += config.ngram_heads * NgramHeadParameters(config.levels[0]);
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const int64_t d = level.dim;
    total += 2 * d;  // start, norm
    total += (level.enc_layers + level.dec_layers) * LayerParameters(level);
    total += level.dec_layers * TreeParameters(level) + KnnParameters(level);
    total += RepeatRows(level, level.enc_layers) * d;
    total += RepeatRows(level, level.dec_layers) * d;
    total += HaltingParameters(level, level.enc_layers);
    total += HaltingParameters(level, level.dec_layers);
    // A row and a bias each, and the threshold.
    if (level.exits > 0) total += ExitRows(level) * (d + 1) + 1;
    for (const StreamConfig& stream : level.streams) {
      total += StreamParameters(level, stream);
    }
    total += MergeParameters(level);
    total += PositionParameters(LevelPositionTensors(level));
    total += level.enc_layers *
             PositionParameters(LayerPositionTensors(level, level.enc_scope));
    total += level.dec_layers *
             PositionParameters(LayerPositionTensors(level, level.dec_scope));
    if (l + 1 == config.levels.size()) continue;
    const int64_t up = config.levels[l + 1].dim;
    total += PoolParameters(level, up);
    total += BridgeRows(level) * d * up + BridgeAttentionParameters(level);
    total += RouterItems(level) * 2 * d * d;
  }
  return total;
}

}  // namespace strata
