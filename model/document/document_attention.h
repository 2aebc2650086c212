#pragma once
// DocumentAttention: how the layers of one level attend where the level's scope is not
// full (model/document_scope.h); one scope, or one kind of them, is one subclass. Both
// directions, no cache, no row of one text knows another. Thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/document_config.h"
#include "model/nn/rope.h"

namespace strata {

// The rows of a pass: row r has lengths[r] items, the rest of its n places is padding.
struct DocumentRows {
  std::vector<int64_t> lengths;
  torch::Tensor padding;  // [R, n] of bool
  torch::Tensor mask;     // [R, 1, n]: 0, -inf on padding
  RopeTables rope;        // of items [0, n)
};

class DocumentAttentionImpl : public torch::nn::Module {
 public:
  // x [R, n, D] with what stands before the items of every row: [R, g + n, D], g a number
  // of the subclass's own.
  virtual torch::Tensor Enter(const torch::Tensor& x) { return x; }
  // From the joint projection [R, g + n, 3 D] of layer `layer`: [R, g + n, D]. Padding
  // changes no item.
  virtual torch::Tensor Attend(int layer, const torch::Tensor& qkv,
                               const DocumentRows& rows) = 0;
};

// For rows of at most `items`; null where the scope is full.
std::shared_ptr<DocumentAttentionImpl> MakeDocumentAttention(
    const DocumentLevelConfig& level, int64_t items);

}  // namespace strata
