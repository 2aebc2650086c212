#include "model/train/grad_norm.h"

#include <cmath>
#include <cstdint>

namespace strata {
namespace {

// Eight sums side by side: the additions overlap, and the order is fixed.
template <typename T>
double SumOfSquares(const T* values, int64_t n) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; ++k) {
      const double v = static_cast<double>(values[i + k]);
      sums[k] += v * v;
    }
  }
  double total = 0;
  for (; i < n; ++i) {
    const double v = static_cast<double>(values[i]);
    total += v * v;
  }
  for (const double sum : sums) total += sum;
  return total;
}

double SumOfSquares(const at::Tensor& tensor) {
  if (tensor.is_contiguous()) {
    if (tensor.scalar_type() == at::kFloat) {
      return SumOfSquares(tensor.const_data_ptr<float>(), tensor.numel());
    }
    if (tensor.scalar_type() == at::kDouble) {
      return SumOfSquares(tensor.const_data_ptr<double>(), tensor.numel());
    }
  }
  return tensor.to(at::kDouble).square().sum().item<double>();
}

// Of all of them, which are on one device: it is waited for once.
double SumOfSquares(const std::vector<at::Tensor>& tensors) {
  if (tensors.empty()) return 0;
  if (!tensors[0].is_cpu()) {
    const auto norms = at::_foreach_norm(tensors, 2, at::kDouble);
    return at::stack(norms).square().sum().item<double>();
  }
  double total = 0;
  for (const at::Tensor& tensor : tensors) total += SumOfSquares(tensor);
  return total;
}

std::vector<at::Tensor> Gradients(const std::vector<NamedParameter>& parameters) {
  std::vector<at::Tensor> grads;
  for (const NamedParameter& p : parameters) {
    if (p.tensor.grad().defined()) grads.push_back(p.tensor.grad());
  }
  return grads;
}

}  // namespace

double GlobalGradNorm(const std::vector<NamedParameter>& parameters) {
  torch::NoGradGuard no_grad;
  return std::sqrt(SumOfSquares(Gradients(parameters)));
}

void ClipGradients(const std::vector<NamedParameter>& parameters, double norm,
                   double limit) {
  if (limit <= 0 || norm <= limit) return;
  torch::NoGradGuard no_grad;
  const std::vector<at::Tensor> grads = Gradients(parameters);
  if (!grads.empty()) at::_foreach_mul_(grads, limit / norm);
}

bool AllFinite(const std::vector<NamedParameter>& tensors) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> values;
  for (const NamedParameter& t : tensors) values.push_back(t.tensor.detach());
  // A finite sum of squares in double: squares of finite floats cannot overflow it,
  // and NaN or infinity cannot hide in it.
  return std::isfinite(SumOfSquares(values));
}

}  // namespace strata
