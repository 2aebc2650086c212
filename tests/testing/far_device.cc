#include "tests/testing/far_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/detail/HPUHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_copy_from_and_resize_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/torch.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace strata::testing {
namespace {

constexpr auto kType = c10::DeviceType::HPU;
std::atomic<int64_t> reads{0};
thread_local int computing = 0;  // what an operator itself moves is no read

struct Computing {
  Computing() { ++computing; }
  ~Computing() { --computing; }
};

class FarAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* memory = bytes > 0 ? std::malloc(bytes) : nullptr;
    return {memory, memory, &std::free, c10::Device(kType, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
};

FarAllocator allocator;
REGISTER_ALLOCATOR(kType, &allocator);

// One device, which does all at once.
struct FarGuard final : c10::impl::NoOpDeviceGuardImpl<kType> {
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  c10::Device getDevice() const override { return {kType, 0}; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, getDevice());
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return getStream(device);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    static std::atomic<c10::StreamId> given{0};
    return c10::Stream(c10::Stream::UNSAFE, device, 1 + given++ % 32);
  }
  void synchronizeStream(const c10::Stream&) const override {}
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return getStream(getDevice());
  }
  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void synchronizeDevice(const c10::DeviceIndex) const override {}
};
C10_REGISTER_GUARD_IMPL(HPU, FarGuard);

// LibTorch finds it by this name.
struct HPUHooks final : at::HPUHooksInterface {
  explicit HPUHooks(at::HPUHooksArgs) {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  void init() const override {}
  bool hasHPU() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    static const at::Generator generator = at::detail::createCPUGenerator();
    return generator;
  }
};
using at::HPUHooksRegistry;
using at::RegistererHPUHooksRegistry;
REGISTER_HPU_HOOKS(HPUHooks);

at::Tensor Empty(at::IntArrayRef sizes, std::optional<at::ScalarType> type,
                 std::optional<at::Layout>, std::optional<at::Device>,
                 std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &allocator,
                                   c10::DispatchKeySet(c10::DispatchKey::HPU),
                                   c10::dtype_or_default(type), format);
}

at::Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides,
                        std::optional<at::ScalarType> type, std::optional<at::Layout>,
                        std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(
      sizes, strides, &allocator, c10::DispatchKeySet(c10::DispatchKey::HPU),
      c10::dtype_or_default(type));
}

// The same memory as a tensor of the host.
at::Tensor OnHost(const at::Tensor& t) {
  if (!t.is_hpu()) return t;
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(),
                       at::TensorOptions(t.scalar_type()));
}

void CountRead() {
  if (computing == 0) ++reads;
}

at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool) {
  if (from.is_hpu() && to.is_cpu()) CountRead();
  OnHost(to).copy_(OnHost(from));
  return to;
}

at::Tensor CopyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return CopyFrom(from, to, false);
}

at::Scalar LocalScalar(const at::Tensor& t) {
  CountRead();
  return OnHost(t).item();
}

const at::Tensor& Resize(const at::Tensor& t, at::IntArrayRef sizes,
                         std::optional<at::MemoryFormat>) {
  auto* const impl = t.unsafeGetTensorImpl();
  const int64_t bytes = c10::multiply_integers(sizes) * t.element_size();
  if (bytes > static_cast<int64_t>(t.storage().nbytes())) {
    auto memory = allocator.allocate(bytes);
    if (t.storage().nbytes() > 0) {
      std::memcpy(memory.get(), t.storage().data(), t.storage().nbytes());
    }
    t.storage().set_data_ptr_noswap(std::move(memory));
    t.storage().set_nbytes(bytes);
  }
  impl->set_sizes_contiguous(sizes);
  return t;
}

bool IsOfHost(const at::Tensor& t) {
  return t.defined() && t.is_cpu() && t.dim() > 0;
}

// As CUDA's kernels do: a number of the host may stand beside tensors of the device.
void CheckDevices(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  for (const c10::IValue& argument : torch::jit::last(stack, op.schema().arguments().size())) {
    bool of_host = argument.isTensor() && IsOfHost(argument.toTensor());
    if (argument.isTensorList()) {
      for (const at::Tensor& t : argument.toTensorList()) of_host = of_host || IsOfHost(t);
    }
    TORCH_CHECK(!of_host, op.operator_name(), " got tensors of two devices");
  }
}

void ComputeOnHost(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  CheckDevices(op, *stack);
  const Computing now;
  at::native::cpu_fallback(op, stack, /*error_on_views=*/true);
}

TORCH_LIBRARY_IMPL(aten, HPU, m) {
  m.impl("empty.memory_format", &Empty);
  m.impl("empty_strided", &EmptyStrided);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", &at::native::view);
  m.impl("_reshape_alias", &at::native::_reshape_alias);
  m.impl("unfold", &at::native::unfold);
  m.impl("resize_", &Resize);
  m.impl("_copy_from", &CopyFrom);
  m.impl("_copy_from_and_resize", &CopyFromAndResize);
  m.impl("_local_scalar_dense", &LocalScalar);
}

TORCH_LIBRARY_IMPL(_, HPU, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&ComputeOnHost>());
}

}  // namespace

int64_t FarDeviceReads() { return reads; }

}  // namespace strata::testing
