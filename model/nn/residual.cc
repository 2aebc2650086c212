#include "model/nn/residual.h"

namespace strata {

torch::Tensor Dropped(const torch::Tensor& x, double rate) {
  return rate > 0 ? at::dropout(x, rate, /*train=*/true) : x;
}

torch::Tensor AddDropped(const torch::Tensor& x, const torch::Tensor& update,
                         double rate) {
  return x + Dropped(update, rate);
}

}  // namespace strata
