// LevelStep: how what a sublayer made enters x, by a sum or by gates
// (model/nn/gru_gate.h).

#include <algorithm>

#include "model/decode/level_step.h"

namespace strata {
namespace {

constexpr int64_t kRowsPerTask = 8;

}  // namespace

// Attention is over, so its buffers hold what the gates need: `norm` y, then r * x;
// `qkv` the sums of r, z and g; `att` U_g (r * x).
template <typename T>
void LevelStep<T>::AddSublayer(int l, const GateWeights<T>& gate, const T* in,
                               int64_t in_stride, const PackedMatrix<T>& out, T* x,
                               int64_t m) {
  const int64_t dim = level_config(l).dim;
  const int64_t width = PaddedWidth(dim);
  if (gate.bias.empty()) {
    MatMul(in, in_stride, m, out, x, width, Epilogue::kAdd);
    return;
  }
  LevelScratch<T>& s = scratch_[l];
  GateArgs<T> args;
  args.gates = s.qkv.data();
  args.gates_stride = PaddedWidth(3 * dim);
  args.stride = width;
  args.n = dim;
  MatMul(in, in_stride, m, out, s.norm.data(), width, Epilogue::kRelu);
  MatMul(s.norm.data(), width, m, gate.input, s.qkv.data(), args.gates_stride,
         Epilogue::kStore);
  // Its columns beyond z are zeros: g keeps its sum.
  MatMul(x, width, m, gate.state, s.qkv.data(), args.gates_stride, Epilogue::kAdd);
  RunGate(args, x, s.norm.data(), m, model_->kernels().gate_reset);
  MatMul(s.norm.data(), width, m, gate.candidate, s.att.data(), width,
         Epilogue::kStore);
  args.bias = gate.bias.data();
  RunGate(args, x, s.att.data(), m, model_->kernels().gate_update);
}

template <typename T>
void LevelStep<T>::RunGate(const GateArgs<T>& of, T* x, T* y, int64_t m,
                           void (*kernel)(const GateArgs<T>&)) {
  const int64_t cuts = (m + kRowsPerTask - 1) / kRowsPerTask;
  pool_->ParallelFor(cuts, [&](int, int64_t task) {
    const int64_t row = task * kRowsPerTask;
    GateArgs<T> args = of;
    args.gates += row * of.gates_stride;
    args.x = x + row * of.stride;
    args.y = y + row * of.stride;
    args.m = std::min(kRowsPerTask, m - row);
    kernel(args);
  });
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
