#pragma once
// The reference outputs in tests/parity/data and the formulas of weights and
// inputs that make_reference.py shares with this side.

#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "model/model_config.h"

namespace strata::testing {

inline constexpr int kParityBatch = 2;
inline constexpr int kParityItems = 19;

// Some elements of a tensor, spread evenly, and the sum of all with signs of a
// hash: no wrong element goes unseen.
struct Digest {
  std::vector<int64_t> shape;
  std::vector<double> at;
  double sum = 0;
};
using Digests = std::map<std::string, Digest>;

struct Reference {
  ModelConfig config;
  Digests activations;
  double loss = 0;
  Digests gradients;
  std::vector<double> norms;  // before clipping, of ten steps
  Digests after_1, after_10;  // weights after so many AdamW steps
};

// Fails the test and returns an empty reference when the file is unusable.
Reference ReadReference(const std::string& name);

// Sets every parameter by the formula.
void FormulaWeights(torch::nn::Module* model);
torch::Tensor FormulaItems(int64_t step, int64_t vocab);  // [2, 19]
torch::Tensor FormulaTrained();            // [2, 19] of uint8

// Expects `tensor` to have the digest, each element within `tolerance` of its
// own and the sum within `tolerance` times the square root of the size.
void ExpectDigest(const std::string& name, const torch::Tensor& tensor,
                  const Digest& expected, double tolerance);

}  // namespace strata::testing
