#pragma once
// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019)
// of our own: LibTorch's stores its state by position and forgets its options,
// ours is named tensors and takes the learning rate with every step.
//
//   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
//   w -= lr weight_decay w               matrices only (two dimensions or more), and not
//                                        what is stored with them but has no gradient
//   w -= lr (m / (1 - beta1^k)) / (sqrt(v / (1 - beta2^k)) + epsilon)
//
// One pass over the memory by LibTorch's fused kernel. Thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

namespace strata {

// A tensor and its name in a file; the tensor is shared, not copied.
struct NamedParameter {
  std::string name;
  at::Tensor tensor;
};

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
};

class AdamW {
 public:
  // Gives every parameter a zero gradient and a zero state.
  AdamW(std::vector<NamedParameter> parameters, AdamWOptions options);

  // The `update`-th update (from 1) from the gradients of the parameters.
  void Step(double learning_rate, int64_t update);
  void ZeroGrad();
  // m = v = 0, as in a new optimizer.
  void Reset();

  // "exp_avg.NAME" and "exp_avg_sq.NAME" of every parameter, sharing memory
  // with the optimizer: writing into them restores a state.
  std::vector<NamedParameter> State() const;
  const std::vector<NamedParameter>& parameters() const { return parameters_; }

 private:
  // Parameters that share a weight decay.
  struct Group {
    double weight_decay = 0;
    std::vector<at::Tensor> weights, grads, exp_avg, exp_avg_sq;
  };

  AdamWOptions options_;
  std::vector<NamedParameter> parameters_;
  std::vector<NamedParameter> state_;
  Group groups_[2];  // matrices, the rest
};

}  // namespace strata
