#pragma once
// A model's weights in the order and the type in which the kernels read them: matrices
// cut into panels of kPanel output columns (weight_panels.h), so that a step
// streams them once, front to back. Built once per loaded model, immutable and
// shared by all workers.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/decode/aligned_buffer.h"
#include "model/decode/kernels.h"
#include "model/model_config.h"
#include "model/safetensors.h"

namespace strata {

template <typename T>
struct PackedMatrix {
  int64_t out = 0;  // columns that mean something
  int64_t in = 0;
  WeightType type = WeightType::kFull;
  AlignedBuffer<uint8_t> data;  // as weight_panels.h has it

  int64_t panels() const { return PaddedWidth(out) / kPanel; }
  int64_t panel_bytes() const { return PanelBytes(type, in, sizeof(T)); }
};

// Of what stands in a residual sum's place; empty where the sum stands.
template <typename T>
struct GateWeights {
  PackedMatrix<T> input;      // W of r, z and g
  PackedMatrix<T> state;      // U of r and z
  PackedMatrix<T> candidate;  // U of g
  std::vector<T> bias;
};

// Of a memory of neighbours (model/nn/knn_memory.h); else empty.
template <typename T>
struct KnnWeights {
  std::vector<T> scale;  // [heads]: e^scale
  std::vector<T> bias;   // [heads]
  std::vector<T> gate;   // [heads][dim], where the context opens it
};

template <typename T>
struct LayerWeights {
  std::vector<T> attn_norm, ff_norm;
  PackedMatrix<T> qkv, attn_out, up, down;
  GateWeights<T> attn_gate, ff_gate;
  // Of a decoder with the tree scope; queries [m][dim], times 1 / sqrt(head_dim).
  std::vector<T> leaf_query, merge_query;
  std::vector<T> tree_height;  // [TreeHeightRows][dim]
  std::vector<T> tree_norm;
  std::vector<std::vector<T>> position;  // LayerPositionTensors
  KnnWeights<T> knn;
};

// Of a stack whose items halt (model/nn/halting_unit.h); else empty.
template <typename T>
struct HaltingWeights {
  std::vector<T> weight;  // [dim]
  T bias = 0;
};

// Of a decoder that items may leave early (model/nn/exit_heads.h); else empty.
template <typename T>
struct ExitWeights {
  std::vector<T> weight;  // [ExitRows][dim]
  std::vector<T> bias;    // [ExitRows]
  T threshold = 1;
};

// Of a bridge that attends (model/nn/bridge_attention.h); else empty.
template <typename T>
struct BridgeAttentionWeights {
  std::vector<T> norm;
  PackedMatrix<T> query, out;
  std::vector<T> bias;  // [heads][bridge_window], by distance
};

// What a layer takes from streams beside its stack (model/nn/multirate_stack.h).
template <typename T>
struct MergeWeights {
  std::vector<T> norm;
  PackedMatrix<T> up, down;
};

template <typename T>
struct LevelWeights {
  std::vector<T> start, norm;
  std::vector<LayerWeights<T>> enc, dec;  // run i has those of i % size
  std::vector<T> enc_repeat, dec_repeat;  // [RepeatRows][dim]
  HaltingWeights<T> enc_halt, dec_halt;
  ExitWeights<T> dec_exit;
  std::vector<std::vector<T>> position;  // LevelPositionTensors
  // Below the top only; offset, query and kv of an attention pool.
  std::vector<T> pool_norm;
  std::vector<T> pool_offset;  // [block][dim]
  std::vector<T> pool_query;   // times 1 / sqrt(head_dim)
  PackedMatrix<T> pool_kv;     // key rows, then value rows
  PackedMatrix<T> pool_out;
  PackedMatrix<T> bridge;
  BridgeAttentionWeights<T> bridge_attention;
  PackedMatrix<T> router;  // query rows, then key rows; where the level has one
  std::vector<MergeWeights<T>> merges;  // one a layer, where it has streams
  PackedMatrix<T> compress;  // of a stream, whose `norm` follows it, and its layers `dec`
};

// What an n-gram head adds to a context: down(gelu(up(norm(c)))).
template <typename T>
struct NgramWeights {
  std::vector<T> norm;
  PackedMatrix<T> up, down;
};

template <typename T>
struct ModelWeights {
  std::vector<T> embedding;  // [vocab][dim]
  PackedMatrix<T> head;
  std::vector<LevelWeights<T>> levels;  // then streams: model/stream_levels.h
  std::vector<NgramWeights<T>> ngram;
  int64_t bytes = 0;
};

// INVALID_ARGUMENT names the tensor that is missing, unknown, misshapen or of a
// type other than F32, F64; DATA_LOSS names one that holds a NaN or infinity.
// RESOURCE_EXHAUSTED when memory cannot be had.
template <typename T>
absl::StatusOr<ModelWeights<T>> PackWeights(
    const ModelConfig& config, const std::map<std::string, TensorView>& tensors,
    WeightType type = WeightType::kFull);

extern template absl::StatusOr<ModelWeights<float>> PackWeights<float>(
    const ModelConfig&, const std::map<std::string, TensorView>&, WeightType);
extern template absl::StatusOr<ModelWeights<double>> PackWeights<double>(
    const ModelConfig&, const std::map<std::string, TensorView>&, WeightType);

}  // namespace strata
