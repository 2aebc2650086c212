#pragma once
// The arithmetic of the CPU decoder behind one table of functions, compiled
// once per instruction set (kernels_impl.h) and chosen at run time.
//
// Promise: every output element is computed by one fixed order of operations
// that depends on the shape of its own row alone: never on how many rows share
// the call, on tiles or on threads. Equal table, equal bits. Different tables
// differ in the last bits. Pure functions without allocation, thread-safe.
//
// No standard or abseil header may enter here: the files that include this one
// are compiled with different machine flags, and an inline function shared
// with the rest of the program would then be linked in a form that older
// processors cannot run.

#include <cstdint>

#include "model/decode/number_types.h"

namespace strata {

// Columns of a weight panel: weights [N, K] are stored as ceil(N / kPanel) panels of K
// rows, zeros beyond N (weight_panels.h).
inline constexpr int64_t kPanel = 64;
inline constexpr int64_t PanelBytes(WeightType type, int64_t k, int64_t scalar_bytes) {
  return type == WeightType::kFull   ? k * kPanel * scalar_bytes
         : type == WeightType::kBf16 ? (k + 1) / 2 * kPanel * 4
                                     : ((k + 3) / 4 + 2) * kPanel * 4;
}
// Slots of a chunk of keys or values. Keys are stored [head_dim][kChunk] inside
// it, so that 16 scores need no horizontal sum; values [kChunk][head_dim].
inline constexpr int64_t kChunk = 16;
// Queries that attend_tile takes.
inline constexpr int kQueryTile = 4;

inline constexpr int64_t PaddedWidth(int64_t n) {
  return (n + kPanel - 1) / kPanel * kPanel;
}

enum class Epilogue {
  kStore,  // y = acc
  kAdd,    // y = y + acc
  kGelu,   // y = gelu_tanh(acc)
  kRelu,   // y = max(acc, 0)
};

// What a score s becomes by a term t.
enum class ScoreRule {
  kAdd,     // s + t
  kFactor,  // max(s, 0) * t
};

// Slots [begin, end).
struct SlotRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// One head of one query (or kQueryTile consecutive ones).
template <typename T>
struct AttendArgs {
  const T* q = nullptr;  // [queries][head_dim], rows q_stride apart; scaled
  int64_t q_stride = 0;
  const void* k = nullptr;  // [slots / kChunk][head_dim][kChunk]
  const void* v = nullptr;  // [slots][head_dim]
  CacheType type = CacheType::kFull;  // of k and v
  int64_t head_dim = 0;
  // Visible slots in ascending order: `first`, then `further_count` more ranges
  // (the rest of a ring that wrapped; the nodes of a tree). None is empty.
  // attend_tile: no further ones, first.begin is 0, and query j sees
  // first.end + j slots.
  SlotRange first;
  const SlotRange* further = nullptr;
  int64_t further_count = 0;
  // Scratch, score_stride values for each query:
  // at least the last visible slot rounded up to kChunk.
  T* scores = nullptr;
  int64_t score_stride = 0;
  // Null, or a term for the score of each visible slot, from slot 0; those of the
  // next query score_stride values on.
  const T* terms = nullptr;
  ScoreRule rule = ScoreRule::kAdd;
  T* out = nullptr;  // [queries][head_dim], rows out_stride apart
  int64_t out_stride = 0;
};

// The gates of m rows of n values: sums of r, z and g one after another, `x` and `y`
// of equal stride.
template <typename T>
struct GateArgs {
  const T* gates = nullptr;  // [m][3 n]
  int64_t gates_stride = 0;
  const T* bias = nullptr;  // [n]; gate_update alone
  T* x = nullptr;
  T* y = nullptr;
  int64_t stride = 0;
  int64_t m = 0;
  int64_t n = 0;
};

// One head of consecutive items of a sequence whose keys are summed
// (model/nn/linear_attention.h).
template <typename T>
struct SumArgs {
  const T* q = nullptr;  // [count][head_dim] each, rows `stride` apart; turned
  const T* k = nullptr;
  const T* v = nullptr;
  int64_t stride = 0;
  int64_t count = 0;
  int64_t head_dim = 0;
  T* sums = nullptr;  // [head_dim + 1][head_dim], rows sums_stride apart: S by
  int64_t sums_stride = 0;  // feature, then z; each item adds to them, then reads
  T* features = nullptr;    // scratch: 2 * kQueryTile * head_dim
  T* out = nullptr;         // [count][head_dim], rows out_stride apart; null: none
  int64_t out_stride = 0;
};

// Products with weights of one type.
template <typename T>
struct Product {
  // Null where x is read as it is. Otherwise m rows of x, x_stride values apart, are
  // first brought into the form in which the product reads them, RowBytes(k) each.
  int64_t (*row_bytes)(int64_t k);
  void (*prepare)(const T* x, int64_t x_stride, int64_t m, int64_t k, void* rows);
  // y[m][panels * kPanel] = x[m][k] * weights; rows x_bytes bytes and y_stride values
  // apart.
  void (*matmul)(const void* x, int64_t x_bytes, int64_t m, const void* weights,
                 int64_t k, int64_t panels, T* y, int64_t y_stride,
                 Epilogue epilogue);
};

template <typename T>
struct Kernels {
  const char* name;  // as STRATA_CPU_ISA has it

  Product<T> products[kWeightTypes];  // by WeightType; of double kFull alone
  // y = x / sqrt(mean(x^2) + 1e-5) * weight, for each of m rows of n values.
  void (*rms_norm)(const T* x, int64_t x_stride, int64_t m, int64_t n,
                   const T* weight, T* y, int64_t y_stride);
  // softmax over the visible slots of q * k, then the weighted sum of v.
  void (*attend)(const AttendArgs<T>& args);
  // The same for kQueryTile queries in one pass over keys and values.
  void (*attend_tile)(const AttendArgs<T>& args);
  // The two halves of `attend`, without terms. Scores of all slots of the chunks from
  // that of first.begin on, at `scores`, visible or not; and what the visible slots make
  // of them, which may be fewer than were scored: `scores` is then that of the first slot
  // of the chunk of first.begin.
  void (*score)(const AttendArgs<T>& args);
  void (*mix)(const AttendArgs<T>& args);
  // to[i * step] = from[i], rounded to the type; from[i * step] back, exactly.
  void (*put)(const T* from, int64_t n, CacheType type, void* to, int64_t step);
  void (*take)(const void* from, int64_t step, CacheType type, int64_t n, T* to);
  // Adds items to sums, and reads them where `out` is.
  void (*attend_sums)(const SumArgs<T>& args);
  // y = sigmoid(r) * x.
  void (*gate_reset)(const GateArgs<T>& args);
  // x = (1 - s) * x + s * tanh(g + y), s = sigmoid(z - bias).
  void (*gate_update)(const GateArgs<T>& args);
};

// The best table that this processor runs; in the environment
// STRATA_CPU_ISA=baseline|avx2|avx512|avx512vnni|avx512bf16 asks for a lesser one (and
// is ignored where it cannot run).
template <typename T>
const Kernels<T>& SelectKernels();

}  // namespace strata
