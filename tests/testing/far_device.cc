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
#include <sys/mman.h>
#include <torch/torch.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>

#include "model/base/log.h"
#include "model/base/mutex.h"
#include "model/decode/free_ranges.h"

namespace strata::testing {
namespace {

constexpr auto kType = c10::DeviceType::HPU;
std::atomic<int64_t> reads{0};
thread_local int computing = 0;  // what an operator itself moves is no read

struct Computing {
  Computing() { ++computing; }
  ~Computing() { --computing; }
};

// The same memory twice: at the addresses that tensors have nobody may read or write.
class Memory {
 public:
  Memory() {
    const int file = memfd_create("far_device", 0);
    STRATA_CHECK(file >= 0 && ftruncate(file, kBytes) == 0);
    far_ = Map(file, PROT_NONE);
    host_ = Map(file, PROT_READ | PROT_WRITE);
    close(file);
    free_.Give(0, kBytes / kUnit);
  }

  void* Take(int64_t bytes) {
    MutexLock lock(&mu_);
    const auto unit = free_.Take(UnitsOf(bytes));
    TORCH_CHECK(unit.has_value(), "not enough memory");
    taken_[*unit] = UnitsOf(bytes);
    return far_ + *unit * kUnit;
  }
  void Give(void* p) {
    MutexLock lock(&mu_);
    const auto taken = taken_.find((static_cast<char*>(p) - far_) / kUnit);
    free_.Give(taken->first, taken->second);
    taken_.erase(taken);
  }
  char* OnHost(const void* p) const {
    return host_ + (static_cast<const char*>(p) - far_);
  }

 private:
  static constexpr int64_t kBytes = int64_t{8} << 30;  // none of it there before it is used
  static constexpr int64_t kUnit = 64;
  static int64_t UnitsOf(int64_t bytes) { return (bytes + kUnit - 1) / kUnit; }
  static char* Map(int file, int access) {
    void* const p = mmap(nullptr, kBytes, access, MAP_SHARED | MAP_NORESERVE, file, 0);
    STRATA_CHECK(p != MAP_FAILED);
    return static_cast<char*>(p);
  }

  char* far_;
  char* host_;
  Mutex mu_;
  FreeRanges free_ STRATA_GUARDED_BY(mu_);
  std::map<int64_t, int64_t> taken_ STRATA_GUARDED_BY(mu_);
};

Memory& TheMemory() {
  static auto* const memory = new Memory;
  return *memory;
}

void GiveBack(void* p) {
  if (p != nullptr) TheMemory().Give(p);
}

class FarAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const memory = bytes > 0 ? TheMemory().Take(static_cast<int64_t>(bytes)) : nullptr;
    return {memory, memory, &GiveBack, c10::Device(kType, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &GiveBack; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(TheMemory().OnHost(to), TheMemory().OnHost(from), bytes);
  }
};

FarAllocator allocator;
REGISTER_ALLOCATOR(kType, &allocator);

// LibTorch has one kind of accelerator in a process: where the suites run on a GPU, none of
// this is there.
bool IsThere() {
  const char* const named = std::getenv("STRATA_TEST_DEVICE");
  return named == nullptr || std::strncmp(named, "cuda", 4) != 0;
}

// One device, which does all at once.
struct FarGuard final : c10::impl::NoOpDeviceGuardImpl<kType> {
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  c10::Device getDevice() const override { return {kType, 0}; }
  c10::DeviceIndex deviceCount() const noexcept override { return IsThere() ? 1 : 0; }
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
  bool isAvailable() const override { return IsThere(); }
  void init() const override {}
  bool hasHPU() const override { return IsThere(); }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return IsThere(); }
  c10::DeviceIndex deviceCount() const override { return IsThere() ? 1 : 0; }
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
  if (t.numel() == 0) return at::empty(t.sizes(), at::TensorOptions(t.scalar_type()));
  return at::from_blob(TheMemory().OnHost(t.data_ptr()), t.sizes(), t.strides(),
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
      allocator.copy_data(memory.get(), t.storage().data(), t.storage().nbytes());
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
