#include "model/decode/kernels.h"

#include <cstdlib>
#include <cstring>

namespace strata {

#define STRATA_DECLARE_KERNELS(isa)              \
  namespace isa {                                \
  extern const Kernels<float> kFloatKernels;     \
  extern const Kernels<double> kDoubleKernels;   \
  }
STRATA_DECLARE_KERNELS(baseline)
#if defined(__x86_64__)
STRATA_DECLARE_KERNELS(avx2)
STRATA_DECLARE_KERNELS(avx512)
#endif

namespace {

enum class Isa { kBaseline, kAvx2, kAvx512 };

Isa BestIsa() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("f16c")) {
    return Isa::kBaseline;
  }
  const bool avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? Isa::kAvx512 : Isa::kAvx2;
#else
  return Isa::kBaseline;
#endif
}

Isa ChosenIsa() {
  const Isa best = BestIsa();
  const char* asked = std::getenv("STRATA_CPU_ISA");
  if (asked == nullptr) return best;
  if (std::strcmp(asked, "baseline") == 0) return Isa::kBaseline;
  if (std::strcmp(asked, "avx2") == 0 && best == Isa::kAvx512) {
    return Isa::kAvx2;
  }
  return best;
}

}  // namespace

template <>
const Kernels<float>& SelectKernels<float>() {
#if defined(__x86_64__)
  switch (ChosenIsa()) {
    case Isa::kAvx512:
      return avx512::kFloatKernels;
    case Isa::kAvx2:
      return avx2::kFloatKernels;
    case Isa::kBaseline:
      break;
  }
#endif
  return baseline::kFloatKernels;
}

template <>
const Kernels<double>& SelectKernels<double>() {
#if defined(__x86_64__)
  switch (ChosenIsa()) {
    case Isa::kAvx512:
      return avx512::kDoubleKernels;
    case Isa::kAvx2:
      return avx2::kDoubleKernels;
    case Isa::kBaseline:
      break;
  }
#endif
  return baseline::kDoubleKernels;
}

}  // namespace strata
