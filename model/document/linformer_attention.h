#pragma once
// LinformerAttention: queries attend to P mixtures of a row's keys, learned, in place of
// its n keys (Wang et al. 2020, arXiv 2006.04768), so a row costs n P scores.
//
//   K' = s E K, V' = s F V    [P, K] each, of every head; E, F [P, most items]
//   s = sqrt(most items / n)  so that short rows' mixtures are as large as long ones'
//   out = softmax(q K' / sqrt(K)) V'
//
// E and F belong to a layer and are shared by its heads (the paper's headwise sharing);
// a row of n items takes their first n columns. Keys are turned by their places before they
// are mixed, so that a mixture's score still knows distances. Padding is left out of the
// mixtures. Cannot be causal: a mixture holds items to come. Thread-compatible.

#include <vector>

#include "model/document/document_attention.h"

namespace strata {

class LinformerAttentionImpl : public DocumentAttentionImpl {
 public:
  LinformerAttentionImpl(const DocumentLevelConfig& level, int64_t items);

  torch::Tensor Attend(int layer, const torch::Tensor& qkv,
                       const DocumentRows& rows) override;

 private:
  int64_t heads_;
  std::vector<torch::Tensor> keys_, values_;  // by layer, [P, most items]
};

}  // namespace strata
