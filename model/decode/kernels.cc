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
STRATA_DECLARE_KERNELS(avx512vnni)
STRATA_DECLARE_KERNELS(avx512bf16)
#endif

namespace {

bool RunsAlways() { return true; }
#if defined(__x86_64__)
bool RunsAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}
bool RunsAvx512() {
  return RunsAvx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
bool RunsVnni() { return RunsAvx512() && __builtin_cpu_supports("avx512vnni"); }
bool RunsBf16() { return RunsVnni() && __builtin_cpu_supports("avx512bf16"); }
#endif

// From the least to the best.
struct Table {
  const Kernels<float>* of_float;
  const Kernels<double>* of_double;
  bool (*runs)();
};
constexpr Table kTables[] = {
    {&baseline::kFloatKernels, &baseline::kDoubleKernels, RunsAlways},
#if defined(__x86_64__)
    {&avx2::kFloatKernels, &avx2::kDoubleKernels, RunsAvx2},
    {&avx512::kFloatKernels, &avx512::kDoubleKernels, RunsAvx512},
    {&avx512vnni::kFloatKernels, &avx512vnni::kDoubleKernels, RunsVnni},
    {&avx512bf16::kFloatKernels, &avx512bf16::kDoubleKernels, RunsBf16},
#endif
};

const Table& ChosenTable() {
  const char* const asked = std::getenv("STRATA_CPU_ISA");
  const Table* best = &kTables[0];
  for (const Table& table : kTables) {
    if (!table.runs()) break;
    best = &table;
    if (asked != nullptr && std::strcmp(asked, table.of_float->name) == 0) break;
  }
  return *best;
}

}  // namespace

template <>
const Kernels<float>& SelectKernels<float>() {
  return *ChosenTable().of_float;
}

template <>
const Kernels<double>& SelectKernels<double>() {
  return *ChosenTable().of_double;
}

}  // namespace strata
