// TestWeights: the tensors of a config, random.

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/base/random.h"
#include "tests/model/decode/naive_position.h"
#include "tests/model/decode/naive_streams.h"
#include "tests/model/decode/test_model.h"

namespace strata {
namespace {

double Normal(uint64_t seed, uint64_t stream, uint64_t i) {
  const double u = 1.0 - RandomUniform(seed, stream, 2 * i);
  const double v = RandomUniform(seed, stream, 2 * i + 1);
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v);
}

double RoundedTo(double value, int bits) {
  int exponent = 0;
  const double part = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(part, bits)), exponent - bits);
}

bool IsMatrix(const std::string& name, const std::vector<int64_t>& shape) {
  const auto has = [&](const char* part) {
    return name.find(part) != std::string::npos;
  };
  return shape.size() == 2 && has(".weight") && !has("embedding") &&
         !has("router") && !has("position") && !has("halt") && !has("exit");
}

uint64_t HashName(const std::string& name) {
  uint64_t hash = 1469598103934665603u;
  for (const char c : name) hash = (hash ^ uint8_t(c)) * 1099511628211u;
  return hash;
}

}  // namespace

TestWeights::TestWeights(const ModelConfig& config, uint64_t seed)
    : seed_(seed) {
  const int64_t d0 = config.levels[0].dim;
  Add("embedding.weight", {config.vocab, d0}, 0, 1);
  Add("head.weight", {config.vocab, d0}, 0, 3 / std::sqrt(double(d0)));
  for (int k = 0; k < config.ngram_heads; ++k) {
    const std::string p = "ngram." + std::to_string(k) + ".";
    Add(p + "norm.weight", {d0}, 1, 0.1);
    Add(p + "up.weight", {d0, d0}, 0, 1 / std::sqrt(double(d0)));
    Add(p + "down.weight", {d0, d0}, 0, 1 / std::sqrt(double(d0)));
  }
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const int64_t d = level.dim;
    const double s = 1 / std::sqrt(double(d));
    const std::string at = "level." + std::to_string(l) + ".";
    Add(at + "start", {d}, 0, 1);
    Add(at + "norm.weight", {d}, 1, 0.1);
    const auto under = [&](const std::string& prefix) {
      return [this, prefix](const std::string& name, std::vector<int64_t> shape,
                            double deviation) {
        Add(prefix + name, std::move(shape), 0, deviation);
      };
    };
    AddLevelPosition(level, under(at));
    AddStreams(level);
    for (const char* stack : {"enc.", "dec."}) {
      const int layers = stack[0] == 'e' ? level.enc_layers : level.dec_layers;
      if (level.repeats == 1 || layers == 0) continue;
      Add(at + stack + "repeat", {level.repeats, d}, 0, 1);
      if (level.ponder == 0) continue;
      Add(at + stack + "halt.weight", {1, d}, 0, s / 2);
      Add(at + stack + "halt.bias", {1}, -0.5, 0.5);
    }
    if (level.exits > 0) {
      const int64_t rows = level.dec_layers - level.exits;
      Add(at + "dec.exit.weight", {rows, d}, 0, s / 2);
      Add(at + "dec.exit.bias", {rows}, 0, 0.5);
      Add(at + "dec.exit.threshold", {1}, 0.5, 0);
    }
    for (int i = 0; i < level.enc_layers + level.dec_layers; ++i) {
      const bool enc = i < level.enc_layers;
      const std::string p =
          at + (enc ? "enc." : "dec.") +
          std::to_string(enc ? i : i - level.enc_layers) + ".";
      AddLayer(level, p);
      if (level.trained_attention == TrainedAttention::kRouting) {
        Add(p + "attn.buckets.centroids", {level.heads, level.buckets, d / level.heads},
            0, 1);
      }
      AddLayerPosition(level, enc ? level.enc_scope : level.dec_scope,
                       under(p + "attn."));
      if (!enc && i - level.enc_layers + 1 == level.knn_layer) {
        Add(p + "attn.knn.scale", {level.heads}, 1, 0.5);
        Add(p + "attn.knn.bias", {level.heads}, 0, 0.5);
        if (level.knn_gate == KnnGate::kContext) {
          Add(p + "attn.knn.gate", {level.heads, d}, 0, s);
        }
      }
      if (enc || level.dec_scope != Scope::kTree) continue;
      Add(p + "attn.tree.leaf_query", {level.summaries, d}, 0, 1);
      Add(p + "attn.tree.merge_query", {level.summaries, d}, 0, 1);
      Add(p + "attn.tree.height", {TreeHeightRows(level.tree_height), d}, 0, 1);
      Add(p + "attn.tree.norm.weight", {d}, 1, 0.1);
    }
    if (l + 1 == config.levels.size()) continue;
    const int64_t u = config.levels[l + 1].dim;
    const int64_t pooled =
        level.pool == PoolKind::kConcat ? level.block * d : d;
    const int64_t rows = level.bridge == BridgeKind::kRepeat   ? 1
                         : level.bridge == BridgeKind::kPrefix ? level.prefix
                         : level.bridge == BridgeKind::kAttention
                             ? level.block + 2
                             : level.block;
    Add(at + "pool.norm.weight", {d}, 1, 0.1);
    Add(at + "pool.out.weight", {u, pooled}, 0,
        2 / std::sqrt(double(pooled)));
    Add(at + "bridge.weight", {rows * d, u}, 0, 1 / std::sqrt(double(u)));
    if (level.bridge == BridgeKind::kAttention) {
      const std::string p = at + "bridge_attention.";
      Add(p + "norm.weight", {d}, 1, 0.1);
      Add(p + "query.weight", {d, d}, 0, 1.5 * s);
      Add(p + "out.weight", {d, d}, 0, s);
      Add(p + "bias", {level.heads, level.bridge_window}, 0, 1);
    }
    if (level.block_rule == BlockRule::kRouter) {
      Add(at + "router.weight", {2 * d, d}, 0, s);
    }
    if (level.pool != PoolKind::kAttention) continue;
    Add(at + "pool.offset", {level.block, d}, 0, 1);
    Add(at + "pool.query", {d}, 0, 1);
    Add(at + "pool.key.weight", {d, d}, 0, s);
    Add(at + "pool.value.weight", {d, d}, 0, s);
  }
}

void TestWeights::AddLayer(const LevelConfig& level, const std::string& p) {
  const int64_t d = level.dim;
  const int64_t f = d * level.ff_mult;
  const double s = 1 / std::sqrt(double(d));
  Add(p + "attn.norm.weight", {d}, 1, 0.1);
  Add(p + "attn.qkv.weight", {3 * d, d}, 0, 1.5 * s);
  Add(p + "attn.out.weight", {d, d}, 0, s);
  Add(p + "ff.norm.weight", {d}, 1, 0.1);
  Add(p + "ff.up.weight", {f, d}, 0, s);
  Add(p + "ff.down.weight", {d, f}, 0, s);
  for (const char* gate : {"attn_gate.", "ff_gate."}) {
    if (level.gate != GateKind::kGru) break;
    Add(p + gate + "input.weight", {3 * d, d}, 0, s);
    Add(p + gate + "state.weight", {2 * d, d}, 0, s);
    Add(p + gate + "candidate.weight", {d, d}, 0, s);
    Add(p + gate + "bias", {d}, 0.5, 1);
  }
}

void TestWeights::AddStreams(const LevelConfig& base) {
  const int64_t d = base.dim;
  int64_t all = d;
  for (size_t r = 0; r < base.streams.size(); ++r) {
    const LevelConfig own = naive::LevelOfStream(base, r);
    const int64_t read = base.streams[r].rate * d;
    const std::string p = naive::NameOfStream(r);
    Add(p + "compress.weight", {own.dim, read}, 0, 1 / std::sqrt(double(read)));
    Add(p + "norm.weight", {own.dim}, 1, 0.1);
    for (int i = 0; i < base.dec_layers; ++i) {
      AddLayer(own, p + "dec." + std::to_string(i) + ".");
    }
    all += own.dim;
  }
  for (int i = 0; i < base.dec_layers && !base.streams.empty(); ++i) {
    const std::string p = "level.0.streams.merge." + std::to_string(i) + ".";
    Add(p + "norm.weight", {all}, 1, 0.1);
    Add(p + "up.weight", {2 * d, all}, 0, 1.5 / std::sqrt(double(all)));
    Add(p + "down.weight", {d, 2 * d}, 0, 1 / std::sqrt(double(d)));
  }
}

TestWeights TestWeights::Rounded(int bits) const {
  TestWeights out = *this;
  for (auto& [name, values] : out.values_) {
    const std::vector<int64_t>& shape = shapes_.at(name);
    if (!IsMatrix(name, shape)) continue;
    const int64_t in = shape[1];
    for (int64_t row = 0; row < shape[0]; ++row) {
      double* at = values.data() + row * in;
      double largest = 0;
      for (int64_t i = 0; i < in; ++i) largest = std::max(largest, std::abs(at[i]));
      const double scale = largest / 127;
      for (int64_t i = 0; i < in; ++i) {
        at[i] = bits == 16 ? RoundedTo(at[i], 8) : std::nearbyint(at[i] / scale) * scale;
      }
    }
  }
  return out;
}

void TestWeights::Add(const std::string& name, std::vector<int64_t> shape,
                      double center, double deviation) {
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  std::vector<float>& floats = floats_[name];
  std::vector<double>& values = values_[name];
  const uint64_t stream = HashName(name);
  for (int64_t i = 0; i < n; ++i) {
    floats.push_back(float(center + deviation * Normal(seed_, stream, i)));
    values.push_back(floats.back());
  }
  shapes_[name] = std::move(shape);
}

std::map<std::string, TensorView> TestWeights::Views(DType dtype) const {
  std::map<std::string, TensorView> views;
  for (const auto& [name, shape] : shapes_) {
    TensorView view;
    view.dtype = dtype;
    view.shape = shape;
    const void* data = dtype == DType::kF32
                           ? static_cast<const void*>(floats_.at(name).data())
                           : static_cast<const void*>(values_.at(name).data());
    view.data = absl::MakeConstSpan(
        static_cast<const uint8_t*>(data),
        floats_.at(name).size() * DTypeBytes(dtype));
    views[name] = view;
  }
  return views;
}

}  // namespace strata
