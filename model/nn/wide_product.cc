#include "model/nn/wide_product.h"

#include <ATen/Version.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <string_view>
#include <vector>

namespace strata {
namespace {

// Multiplications, 0.04 ms with two threads. Preparing for a shape takes some 0.25 ms, once
// in as many shapes as oneDNN remembers (1024): what ragged levels pay for new ones is less
// than what they gain (training spacebyte-1m: 1.3 times as fast).
constexpr int64_t kFewest = int64_t{1} << 22;

// Of fewer rows than some 100 oneDNN sums in another order, one that depends on their
// number; that of a ragged level depends on the text, and what is said of a document should
// not depend on another one.
constexpr int64_t kFewestRows = 256;

// What a compiled model of LibTorch calls for its linear layers; no header declares it.
using Pointwise = torch::Tensor(const torch::Tensor&, const torch::Tensor&,
                                const std::optional<torch::Tensor>&, std::string_view,
                                c10::List<std::optional<at::Scalar>>,
                                std::optional<std::string_view>);

std::optional<c10::TypedOperatorHandle<Pointwise>> FindOperator() {
  if (at::get_cpu_capability() != "AVX512") return std::nullopt;
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!found) return std::nullopt;
  try {
    return found->typed<Pointwise>();
  } catch (const c10::Error&) {  // it takes other arguments in this LibTorch
    return std::nullopt;
  }
}

const std::optional<c10::TypedOperatorHandle<Pointwise>>& Operator() {
  static const auto found = FindOperator();
  return found;
}

// a b^T of matrices with any strides.
torch::Tensor Multiply(const torch::Tensor& a, const torch::Tensor& b) {
  const at::AutoDispatchBelowADInplaceOrView below;
  return Operator()->call(a, b, std::nullopt, "none",
                          c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

class Product : public torch::autograd::Function<Product> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const torch::Tensor& x, const torch::Tensor& weight) {
    context->save_for_backward({x, weight});
    return Multiply(x, weight);
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context,
      torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto& dy = grads[0];
    torch::Tensor dx, dw;
    if (context->needs_input_grad(0)) dx = Multiply(dy, saved[1].t());
    if (context->needs_input_grad(1)) dw = Multiply(dy.t(), saved[0].t());
    return {dx, dw};
  }
};

}  // namespace

bool SuitsWideProduct(const torch::Tensor& x, const torch::Tensor& weight) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat &&
         weight.scalar_type() == torch::kFloat &&
         x.numel() >= kFewestRows * weight.size(1) &&
         x.numel() * weight.size(0) >= kFewest && Operator().has_value();
}

torch::Tensor WideProduct(const torch::Tensor& x, const torch::Tensor& weight) {
  const auto y = Product::apply(x.reshape({-1, x.size(-1)}), weight);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return y.view(shape);
}

}  // namespace strata
