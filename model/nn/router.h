#pragma once
// Router: learns after which items of a level a unit of the level above ends, so that
// units are as long as what they hold is easy (Hwang, Wang, Gu 2025, H-Net,
// 2507.07955; there a unit is said to begin where it ends here).
//
//   p[i]     = (1 - cos(W_q h[i - 1], W_k h[i])) / 2   0 at a document's first item
//   wished   = p[i] >= 1/2                             model/unit_rule.h has the last word
//   share[j] = max(p of the item that ends unit j, 1/2)
//   s[0] = o[0],  s[j + 1] = share[j] o[j + 1] + (1 - share[j]) s[j]
//
// s takes the place of o: what a doubtful end adds is mixed with what was said before.
// The value of p enters the model through share alone; Confidence lets the choices
// themselves learn too, and RatioLoss keeps units near the length that was aimed at.
// q rows, then k rows in one matrix. Begins as the identity: p then says how little
// neighbours are alike. Thread-compatible.

#include <torch/torch.h>

namespace strata {

class RouterImpl : public torch::nn::Module {
 public:
  explicit RouterImpl(int64_t dim);

  // h [B, n, D] -> p [B, n]. `begins`: [B, n], true at the first items of documents.
  torch::Tensor forward(const torch::Tensor& h, const torch::Tensor& begins);

  // The parts of that. h [.., D] -> W h [.., 2D]: queries, then keys.
  torch::Tensor Project(const torch::Tensor& h) { return at::linear(h, weight_); }
  // Queries of the items before, keys of the items: [.., D] each -> p [..].
  static torch::Tensor Probability(const torch::Tensor& query,
                                   const torch::Tensor& key);

 private:
  const int64_t dim_;
  torch::Tensor weight_;  // [2D, D]; InitWeights fills it
};
TORCH_MODULE(Router);

// s of o [B, U + 1, W]; share [B, U + 1], of the unit before each context: 1 where
// nothing was said before.
torch::Tensor Smoothed(const torch::Tensor& o, const torch::Tensor& share);

// One everywhere, with the gradient of the probability of what was chosen. p [B, n];
// free [B, n], true where there was a choice.
torch::Tensor Confidence(const torch::Tensor& p, const torch::Tensor& free);

// N / (N - 1) ((N - 1) F G + (1 - F)(1 - G)): F the share of items that end a unit,
// G the mean of p, over the items where `counted`. About 1 at its least, where both are
// 1 / N; gradient through G. A scalar.
torch::Tensor RatioLoss(const torch::Tensor& p, const torch::Tensor& ends,
                        const torch::Tensor& counted, int mean_length);

}  // namespace strata
