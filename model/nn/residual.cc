#include "model/nn/residual.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>

#include "model/nn/cpu_kernels.h"
#include "model/nn/has_cpu_kernel.h"

namespace strata {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a thread takes; a multiple of 4

// y = x + dropped update; x may be undefined.
torch::Tensor Run(const torch::Tensor& x, const torch::Tensor& update,
                  uint64_t seed, uint32_t drop) {
  auto y = at::empty_like(update);
  const double gain = 65536.0 / (65536.0 - drop);
  const int64_t n = update.numel();
  AT_DISPATCH_FLOATING_TYPES(update.scalar_type(), "AddDropped", [&] {
    const auto* base = x.defined() ? x.const_data_ptr<scalar_t>() : nullptr;
    at::parallel_for(0, (n + kGrain - 1) / kGrain, 1,
                     [&](int64_t first, int64_t last) {
      const int64_t begin = first * kGrain;
      const int64_t count = std::min(last * kGrain, n) - begin;
      AddDroppedRun(base == nullptr ? base : base + begin,
                    update.const_data_ptr<scalar_t>() + begin, begin, count,
                    seed, drop, static_cast<scalar_t>(gain),
                    y.mutable_data_ptr<scalar_t>() + begin);
    });
  });
  return y;
}

// The mask is made anew in the backward pass from its seed, not stored.
class FusedDropout : public torch::autograd::Function<FusedDropout> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const std::optional<torch::Tensor>& x,
                               const torch::Tensor& update, int64_t seed,
                               int64_t drop) {
    context->saved_data["seed"] = seed;
    context->saved_data["drop"] = drop;
    context->saved_data["added"] = x.has_value();
    return Run(x.has_value() ? x->contiguous() : torch::Tensor(), update.contiguous(),
               static_cast<uint64_t>(seed), static_cast<uint32_t>(drop));
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context,
      torch::autograd::variable_list grads) {
    const auto seed = context->saved_data["seed"].toInt();
    const auto drop = context->saved_data["drop"].toInt();
    const auto grad_update =
        Run({}, grads[0].contiguous(), static_cast<uint64_t>(seed),
            static_cast<uint32_t>(drop));
    const bool added = context->saved_data["added"].toBool();
    return {added ? grads[0] : torch::Tensor(), grad_update, {}, {}};
  }
};

// [sizes] of fp32: 1 with probability `keep`, else 0; a GPU draws it itself.
torch::Tensor KeepMask(at::IntArrayRef sizes, double keep, uint64_t seed,
                       const torch::Device& device) {
  if (!device.is_cuda()) {
    return at::empty(sizes, torch::kFloat)
        .bernoulli_(keep, at::detail::createCPUGenerator(seed))
        .to(device);
  }
  auto generator = at::detail::getCUDAHooks().getNewGenerator(device.index());
  generator.set_current_seed(seed);
  return at::empty(sizes, torch::TensorOptions(torch::kFloat).device(device))
      .bernoulli_(keep, generator);
}

// Added to x, if there is one. Without a kernel, by a mask of zeros and ones.
torch::Tensor DropBySeed(const std::optional<torch::Tensor>& x,
                         const torch::Tensor& update, double rate, uint64_t seed) {
  if (!HasCpuKernel(update)) {
    const auto mask = KeepMask(update.sizes(), 1 - rate, seed, update.device());
    const auto kept = update * mask.to(update.scalar_type()) / (1 - rate);
    return x.has_value() ? *x + kept : kept;
  }
  const int64_t drop = std::clamp<int64_t>(std::lround(rate * 65536), 0, 65535);
  return FusedDropout::apply(x, update, static_cast<int64_t>(seed), drop);
}

}  // namespace

uint64_t DropoutSeed() {
  auto generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get<at::CPUGeneratorImpl>()->random64();
}

torch::Tensor Dropped(const torch::Tensor& x, double rate) {
  return rate > 0 ? Dropped(x, rate, DropoutSeed()) : x;
}

torch::Tensor Dropped(const torch::Tensor& x, double rate, uint64_t seed) {
  return rate > 0 ? DropBySeed(std::nullopt, x, rate, seed) : x;
}

torch::Tensor AddDropped(const torch::Tensor& x, const torch::Tensor& update,
                         double rate) {
  return rate > 0 ? DropBySeed(x, update, rate, DropoutSeed()) : x + update;
}

torch::Tensor AddDropped(const torch::Tensor& x, const torch::Tensor& update,
                         double rate, uint64_t seed) {
  return rate > 0 ? DropBySeed(x, update, rate, seed) : x + update;
}

}  // namespace strata
