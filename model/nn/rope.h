#pragma once
// Rotary positions: the pair (m, m + K/2) of an item with index i turns by the
// angle i * theta^(-2m/K), so that q . k depends on the distance alone. Angles
// are computed in double: at index 65535 a float angle is off by 0.004.
// Thread-compatible.

#include <torch/torch.h>

namespace strata {

struct RopeTables {
  torch::Tensor cos;  // [n, K / 2], or [B, n, K / 2] where rows differ
  torch::Tensor sin;
};

// [cos, sin] of i * theta^(-2m/width) for i in [low, low + rows), in double:
// [rows, width / 2] each.
RopeTables Angles(int64_t low, int64_t rows, int64_t width, double theta);

// Whether `tables` have n rows and more of this type and device.
bool Covers(const RopeTables& tables, int64_t n,
            const torch::TensorOptions& options);
RopeTables FirstRows(const RopeTables& tables, int64_t n);

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
