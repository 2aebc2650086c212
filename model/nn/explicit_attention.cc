#include "model/nn/explicit_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace strata {
namespace {

// 0 where query first + r may see the key, else -inf: [count, keys].
torch::Tensor CausalMask(int64_t first, int64_t count, int64_t keys,
                         const torch::TensorOptions& like) {
  return torch::full({count, keys}, -std::numeric_limits<double>::infinity(),
                     like)
      .triu(first + 1);
}

}  // namespace

int64_t QueriesAtATime(int64_t rows, int64_t keys) {
  return std::max<int64_t>(1, kSliceWeights / (rows * keys));
}

torch::Tensor ExplicitAttention(const torch::Tensor& q, const torch::Tensor& k,
                                const torch::Tensor& v,
                                const torch::Tensor& mask, bool causal,
                                TellWeights tell) {
  const int64_t n = q.size(2);
  const int64_t keys = k.size(2);
  const int64_t slice = QueriesAtATime(q.size(0) * q.size(1), keys);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  const auto transposed = k.transpose(2, 3);
  std::vector<torch::Tensor> mixed;
  for (int64_t first = 0; first < n; first += slice) {
    const int64_t count = std::min(slice, n - first);
    auto scores = at::matmul(q.narrow(2, first, count), transposed) * scale;
    if (mask.defined()) scores = scores + mask.narrow(2, first, count);
    if (causal) scores = scores + CausalMask(first, count, keys, q.options());
    const auto weights = scores.softmax(-1);
    tell(first, weights);
    mixed.push_back(at::matmul(weights, v));
  }
  return at::cat(mixed, 2);
}

}  // namespace strata
