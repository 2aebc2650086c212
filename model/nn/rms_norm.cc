#include "model/nn/rms_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "model/nn/cpu_kernels.h"
#include "model/nn/has_cpu_kernel.h"

namespace strata {
namespace {

// Rows that one task takes; fixed, so that the sum over rows in grad_weight
// does not depend on the number of threads.
constexpr int64_t kTaskRows = 256;

template <typename F>
void ForTasks(int64_t rows, F task) {
  const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kTaskRows;
      task(t, first, std::min(kTaskRows, rows - first));
    }
  });
}

class FusedNorm : public torch::autograd::Function<FusedNorm> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const torch::Tensor& input,
                               const torch::Tensor& weight) {
    const auto x = input.contiguous();
    const int64_t dim = x.size(-1);
    const int64_t rows = x.numel() / dim;
    auto y = at::empty_like(x);
    auto scale = at::empty({rows}, x.options());
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "FusedNorm", [&] {
      ForTasks(rows, [&](int64_t, int64_t first, int64_t count) {
        NormRows(x.const_data_ptr<scalar_t>() + first * dim,
                 weight.const_data_ptr<scalar_t>(), count, dim, kNormEpsilon,
                 y.mutable_data_ptr<scalar_t>() + first * dim,
                 scale.mutable_data_ptr<scalar_t>() + first);
      });
    });
    context->save_for_backward({x, weight, scale});
    return y;
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context,
      torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &scale = saved[2];
    const auto grad_y = grads[0].contiguous();
    const int64_t dim = x.size(-1);
    const int64_t rows = x.numel() / dim;
    auto grad_x = at::empty_like(x);
    auto partial = at::zeros({(rows + kTaskRows - 1) / kTaskRows, dim},
                             x.options());
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "FusedNormBackward", [&] {
      ForTasks(rows, [&](int64_t task, int64_t first, int64_t count) {
        NormRowsBackward(x.const_data_ptr<scalar_t>() + first * dim,
                         weight.const_data_ptr<scalar_t>(),
                         scale.const_data_ptr<scalar_t>() + first,
                         grad_y.const_data_ptr<scalar_t>() + first * dim,
                         count, dim,
                         grad_x.mutable_data_ptr<scalar_t>() + first * dim,
                         partial.mutable_data_ptr<scalar_t>() + task * dim);
      });
    });
    return {grad_x, partial.sum(0)};
  }
};

}  // namespace

RmsNormImpl::RmsNormImpl(int64_t dim)
    : weight(register_parameter("weight", torch::ones({dim}))) {}

torch::Tensor RmsNormImpl::forward(const torch::Tensor& x) {
  if (HasCpuKernel(x) && x.numel() > 0) return FusedNorm::apply(x, weight);
  return at::rms_norm(x, weight.sizes(), weight, kNormEpsilon);
}

}  // namespace strata
