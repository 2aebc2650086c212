#include "model/nn/matrix_precision.h"

#include "model/nn/wide_product.h"

namespace strata {
namespace {
thread_local bool bf16_products = false;
}  // namespace

torch::Tensor MatrixProduct(const torch::Tensor& x, const torch::Tensor& weight) {
  if (!bf16_products || x.scalar_type() != torch::kFloat32) {
    return SuitsWideProduct(x, weight) ? WideProduct(x, weight) : at::linear(x, weight);
  }
  return at::linear(x.to(torch::kBFloat16), weight.to(torch::kBFloat16))
      .to(torch::kFloat32);
}

Bf16Products::Bf16Products(bool on) : before_(bf16_products) { bf16_products = on; }
Bf16Products::~Bf16Products() { bf16_products = before_; }
bool Bf16Products::On() { return bf16_products; }

torch::ScalarType AttentionType(const torch::Tensor& q) {
  const bool narrow = bf16_products && !q.is_cpu() && q.scalar_type() == torch::kFloat32;
  return narrow ? torch::kBFloat16 : q.scalar_type();
}

bool HasBf16Units() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace strata
