// The kernels, in GCC vector extensions: norms and the table here, products in
// kernels_product.h, attention in kernels_attend.h. Included once by each
// kernels_<isa>.cc, which defines
//   STRATA_ISA           name of the namespace and of the table
//   STRATA_VECTOR_BYTES  16, 32 or 64
// Everything has internal linkage. Sums are explicit: the files are compiled
// with -ffp-contract=fast (acc += a * b is one FMA wherever the machine has it)
// and without auto-vectorisation, so that an element is computed the same way
// in a full tile and in a remainder.

#include "model/decode/kernels.h"
#include "model/decode/kernels_attend.h"
#include "model/decode/kernels_gate.h"
#include "model/decode/kernels_int8.h"
#include "model/decode/kernels_linear.h"
#include "model/decode/kernels_math.h"
#include "model/decode/kernels_product.h"
#include "model/decode/kernels_stored.h"
#include "model/decode/kernels_weights.h"
#if defined(__AVX512BF16__)
#include "model/decode/kernels_bf16_units.h"
#endif

#define STRATA_STRING2(x) #x
#define STRATA_STRING(x) STRATA_STRING2(x)

namespace strata {
namespace STRATA_ISA {
namespace {

template <typename T>
void RmsNorm(const T* x, int64_t x_stride, int64_t m, int64_t n,
             const T* weight, T* y, int64_t y_stride) {
  constexpr int L = kLanes<T>;
  const int64_t whole = n - n % L;
  for (int64_t r = 0; r < m; ++r, x += x_stride, y += y_stride) {
    Vec<T> squares = {};
    for (int64_t i = 0; i < whole; i += L) {
      const Vec<T> a = Load<Vec<T>>(x + i);
      squares += a * a;
    }
    T sum = SumLanes<T>(squares);
    for (int64_t i = whole; i < n; ++i) sum += x[i] * x[i];
    const T mean = sum / T(n) + T(1e-5);
    const T scale = T(1) / (sizeof(T) == 4 ? T(__builtin_sqrtf(float(mean)))
                                           : T(__builtin_sqrt(double(mean))));
    for (int64_t i = 0; i < whole; i += L) {
      Store(y + i, Load<Vec<T>>(x + i) * scale * Load<Vec<T>>(weight + i));
    }
    for (int64_t i = whole; i < n; ++i) y[i] = x[i] * scale * weight[i];
  }
}

#if defined(__AVX512BF16__)
using Bf16Weights = UnitsBf16;
#else
using Bf16Weights = ExpandedBf16;
#endif

template <typename W>
constexpr Product<typename W::Scalar> MakeProduct() {
  if constexpr (requires { &W::Prepare; }) {
    return {W::RowBytes, W::Prepare, MatMul<W>};
  } else {
    return {nullptr, nullptr, MatMul<W>};
  }
}

template <typename T>
constexpr Kernels<T> MakeTable() {
  using Narrow = Product<T>;
  Narrow bf16 = {}, int8 = {};
  if constexpr (sizeof(T) == sizeof(float)) {
    bf16 = MakeProduct<Bf16Weights>();
    int8 = MakeProduct<Int8Weights>();
  }
  return {STRATA_STRING(STRATA_ISA), {MakeProduct<FullWeights<T>>(), bf16, int8},
          RmsNorm<T>,
          Attend<T>, AttendTile<T>, Score<T>, Mix<T>, Put<T>, Take<T>, AttendSums<T>, GateReset<T>,
          GateUpdate<T>};
}

}  // namespace

extern const Kernels<float> kFloatKernels;
extern const Kernels<double> kDoubleKernels;
const Kernels<float> kFloatKernels = MakeTable<float>();
const Kernels<double> kDoubleKernels = MakeTable<double>();

}  // namespace STRATA_ISA
}  // namespace strata
