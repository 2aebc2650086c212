#pragma once
// What is computed element by element in the gates of a layer (model/nn/gru_gate.h).
// See kernels_impl.h for what the including file defines and why everything has
// internal linkage.

#include "model/decode/kernels.h"
#include "model/decode/kernels_math.h"

namespace strata {
namespace STRATA_ISA {
namespace {

template <typename T>
STRATA_INLINE Vec<T> Sigmoid(Vec<T> x) {
  return T(1) / (Exp(-x) + T(1));
}
template <typename T>
STRATA_INLINE Vec<T> Tanh(Vec<T> x) {
  return T(1) - T(2) / (Exp(x + x) + T(1));
}

// The first `count` lanes, the others zero; a whole vector in one piece.
template <typename T>
STRATA_INLINE Vec<T> LoadSome(const T* p, int64_t count) {
  if (count >= kLanes<T>) return Load<Vec<T>>(p);
  Vec<T> v = {};
  for (int64_t i = 0; i < count; ++i) v[i] = p[i];
  return v;
}
template <typename T>
STRATA_INLINE void StoreSome(T* p, Vec<T> v, int64_t count) {
  if (count >= kLanes<T>) {
    Store(p, v);
    return;
  }
  for (int64_t i = 0; i < count; ++i) p[i] = v[i];
}

template <typename T>
void GateReset(const GateArgs<T>& args) {
  for (int64_t row = 0; row < args.m; ++row) {
    const T* r = args.gates + row * args.gates_stride;
    const T* x = args.x + row * args.stride;
    T* y = args.y + row * args.stride;
    for (int64_t i = 0; i < args.n; i += kLanes<T>) {
      const int64_t left = args.n - i;
      StoreSome(y + i, Sigmoid<T>(LoadSome(r + i, left)) * LoadSome(x + i, left),
                left);
    }
  }
}

template <typename T>
void GateUpdate(const GateArgs<T>& args) {
  for (int64_t row = 0; row < args.m; ++row) {
    const T* z = args.gates + row * args.gates_stride + args.n;
    const T* g = z + args.n;
    const T* y = args.y + row * args.stride;
    T* x = args.x + row * args.stride;
    for (int64_t i = 0; i < args.n; i += kLanes<T>) {
      const int64_t left = args.n - i;
      const Vec<T> was = LoadSome(x + i, left);
      const Vec<T> share =
          Sigmoid<T>(LoadSome(z + i, left) - LoadSome(args.bias + i, left));
      const Vec<T> next = Tanh<T>(LoadSome(g + i, left) + LoadSome(y + i, left));
      StoreSome(x + i, was + share * (next - was), left);
    }
  }
}

}  // namespace
}  // namespace STRATA_ISA
}  // namespace strata
