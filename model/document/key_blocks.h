#pragma once
// KeyBlocks: which keys the blocks of a pass read in sparse attention
// (model/document/sparse_attention.h): the blocks beside a block, itself, and those drawn for
// it, as far as its row has them. A plain value; thread-compatible.

#include <torch/torch.h>

#include <cstdint>

#include "absl/types/span.h"
#include "model/document_scope.h"

namespace strata {

struct KeyBlocks {
  int64_t size = 0;     // items of a block
  int64_t blocks = 0;   // of a row
  int64_t read = 0;     // by each of them: as many as the one that reads most
  torch::Tensor index;  // [R * blocks * read] of int64, among R * blocks
  torch::Tensor mask;   // [R, blocks, 1, size, read * size]: 0, or -inf where unseen

  // x [R, n, ..] as blocks [R, blocks, size, ..], zeros behind the items.
  torch::Tensor Cut(const torch::Tensor& x) const;
  // Of every block of x, the keys that it reads: [R, blocks, read * size, ..].
  torch::Tensor Read(const torch::Tensor& x) const;
};

// Of rows of n places, of which row r fills lengths[r]. `like` gives the type and the
// device.
KeyBlocks MakeKeyBlocks(const DocumentScopeSpec& spec, int layer, int64_t n,
                        absl::Span<const int64_t> lengths,
                        const torch::TensorOptions& like);

}  // namespace strata
