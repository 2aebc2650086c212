#pragma once
// Rotary positions: the pair (m, m + K/2) of an item with index i turns by the
// angle i * theta^(-2m/K), so that q . k depends on the distance alone. Angles
// are computed in double: at index 65535 a float angle is off by 0.004.
// Thread-compatible.

#include <torch/torch.h>

namespace strata {

struct RopeTables {
  torch::Tensor cos;  // [n, K / 2]
  torch::Tensor sin;
};

// Rotates x [.., n, heads, K]; differentiable.
torch::Tensor ApplyRope(const torch::Tensor& x, const RopeTables& tables);

// Tables for items [0, n), kept and extended between calls.
class RopeCache {
 public:
  RopeCache(int64_t head_dim, double theta);
  RopeTables Get(int64_t n, const torch::TensorOptions& options);

 private:
  int64_t head_dim_;
  double theta_;
  RopeTables cached_;
};

}  // namespace strata
