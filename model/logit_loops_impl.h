// The loops of model/logit_loops.h, in GCC vector extensions. Included once by each
// logit_loops_<isa>.cc, which defines
//   STRATA_ISA           name of the namespace
//   STRATA_VECTOR_BYTES  16, 32 or 64
// Everything else has internal linkage, and nothing of the standard library is called: the
// files are compiled for other instruction sets. Without contraction: a * b + c is two
// roundings everywhere.

#include <cstddef>
#include <cstdint>

#include "model/logit_loops.h"
#include "model/vector_exp.h"

namespace strata {
namespace STRATA_ISA {
namespace {

typedef float Vec __attribute__((vector_size(STRATA_VECTOR_BYTES)));
typedef int32_t VecI __attribute__((vector_size(STRATA_VECTOR_BYTES)));
typedef float Unaligned
    __attribute__((vector_size(STRATA_VECTOR_BYTES), aligned(4), may_alias));
// Sums have four chains whatever the vectors' width.
typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
typedef double Sums __attribute__((vector_size(32)));

constexpr size_t kLanes = STRATA_VECTOR_BYTES / sizeof(float);
constexpr float kInf = __builtin_inff();

inline Vec Load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline void Store(float* to, Vec x) { *reinterpret_cast<Unaligned*>(to) = x; }

// The `n` < kLanes last ones, filled up with -inf.
inline Vec LoadRest(const float* from, size_t n) {
  Vec x = Vec{} - kInf;
  for (size_t lane = 0; lane < n; ++lane) x[lane] = from[lane];
  return x;
}

void Range(const float* logits, size_t n, float* top, bool* broken) {
  Vec tops = Vec{} - kInf;
  VecI fine = VecI{} - 1;
  const auto look = [&](Vec x) {
    fine &= x < kInf;
    tops = x > tops ? x : tops;
  };
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) look(Load(logits + i));
  if (i < n) look(LoadRest(logits + i, n - i));
  *top = tops[0];
  int32_t all = fine[0];
  for (size_t lane = 1; lane < kLanes; ++lane) {
    *top = tops[lane] > *top ? tops[lane] : *top;
    all &= fine[lane];
  }
  *broken = all == 0;
}

// kDivide: false where the divisor is 1, which changes nothing.
template <bool kDivide>
void WeighAll(const float* logits, size_t n, float top, float divisor, float* weights) {
  const auto weigh = [&](Vec x) {
    x -= top;
    return VectorExp<Vec, VecI>(kDivide ? x / divisor : x);
  };
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(weights + i, weigh(Load(logits + i)));
  if (i == n) return;
  const Vec rest = weigh(LoadRest(logits + i, n - i));
  for (size_t lane = 0; i + lane < n; ++lane) weights[i + lane] = rest[lane];
}

void Weigh(const float* logits, size_t n, float top, float divisor, float* weights) {
  if (divisor == 1.0f) {
    WeighAll<false>(logits, n, top, divisor, weights);
  } else {
    WeighAll<true>(logits, n, top, divisor, weights);
  }
}

double SumOf(const float* weights, size_t n) {
  Sums sums = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    sums += __builtin_convertvector(*reinterpret_cast<const Four*>(weights + i), Sums);
  }
  for (; i < n; ++i) sums[0] += weights[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void SumParts(const float* weights, size_t n, double* sums) {
  size_t i = 0;
  for (; i + kWeightPart <= n; i += kWeightPart) *sums++ = SumOf(weights + i, kWeightPart);
  if (i < n) *sums = SumOf(weights + i, n - i);
}

}  // namespace

extern const LogitLoops kLogitLoops;
const LogitLoops kLogitLoops = {Range, Weigh, SumParts};

}  // namespace STRATA_ISA
}  // namespace strata
