#pragma once
// ExplicitAttention: softmax(q k / sqrt(K) + mask) v with the weights in the open,
// for those who watch. The same function as scaled_dot_product_attention, slower.
// Queries are taken a few at a time, so that the weights of a long text never
// stand in memory at once. No parameters. Thread-safe.

#include <torch/torch.h>

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace strata {

// Weights held at a time: 16 MB of fp32.
inline constexpr int64_t kSliceWeights = 1 << 22;

// The weights [rows, H, q, keys] of the queries [first, first + q).
using TellWeights =
    absl::FunctionRef<void(int64_t first, const torch::Tensor& weights)>;

// Queries whose weights over `keys` keys are held at a time, of `rows` rows and heads.
int64_t QueriesAtATime(int64_t rows, int64_t keys);

// q [rows, H, n, K]; k, v [rows, H, keys, K]; returns [rows, H, n, K]. `mask`: added
// to the scores, [rows or 1, 1, n, keys], or undefined. `causal`: query i sees the
// keys up to i; without a mask. REQUIRES: every query sees a key.
torch::Tensor ExplicitAttention(const torch::Tensor& q, const torch::Tensor& k,
                                const torch::Tensor& v,
                                const torch::Tensor& mask, bool causal,
                                TellWeights tell);

}  // namespace strata
