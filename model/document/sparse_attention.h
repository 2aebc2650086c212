#pragma once
// SparseAttention: a window on both sides, a few items that everything sees, and, in
// BigBird, blocks drawn at random: one softmax over all of them.
//
//   etc      sees(i) = {j : |i - j| <= W} and the g global items
//            (Ainslie et al. 2020, arXiv 2004.08483; Longformer's way, 2004.05150, with
//            items of their own)
//   bigbird  the same, and the items of r blocks (model/document/random_blocks.h) drawn
//            for i's own block of W (Zaheer et al. 2020, 2007.14062)
//   a global item sees every item and every global one
//
// Global items are learned vectors that stand before a row, go through the layers with it
// and are left behind; they have no place: no score with one of them is turned. A row is cut
// into blocks of W items, which read their own keys, their neighbours' and the drawn
// ones (model/document/key_blocks.h): n ((3 + r) W + g) + g n scores at most, formed some
// rows at a time; training holds them all for the way back. Cannot be causal: what is
// behind an item reaches it through a global one. Thread-compatible.

#include "model/document/document_attention.h"

namespace strata {

class SparseAttentionImpl : public DocumentAttentionImpl {
 public:
  explicit SparseAttentionImpl(const DocumentLevelConfig& level);

  torch::Tensor Enter(const torch::Tensor& x) override;
  torch::Tensor Attend(int layer, const torch::Tensor& qkv,
                       const DocumentRows& rows) override;

 private:
  // What the global items mix, [R, g, H, K], and what the others do, [R, n, H, K].
  torch::Tensor Global(const std::vector<torch::Tensor>& parts,
                       const torch::Tensor& mask) const;
  torch::Tensor Local(int layer, const std::vector<torch::Tensor>& parts,
                      const DocumentRows& rows) const;

  int64_t heads_;
  DocumentScopeSpec spec_;
  torch::Tensor global_;  // [g, D]
};

}  // namespace strata
