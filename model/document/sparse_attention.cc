#include "model/document/sparse_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/document/random_blocks.h"

namespace strata {
namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();

// [R, n, ...] as blocks [R, blocks, size, ...], zeros behind the items.
torch::Tensor Blocks(const torch::Tensor& x, int64_t blocks, int64_t size) {
  auto shape = x.sizes().vec();
  shape[1] = blocks * size - x.size(1);
  return at::cat({x, at::zeros(shape, x.options())}, 1).unflatten(1, {blocks, size});
}

// Which keys the blocks of a pass read: for each block of each row, so many blocks, the
// one before it, itself, the one behind it, then the drawn ones.
struct KeyBlocks {
  int64_t size = 0;        // items of a block
  int64_t blocks = 0;      // of a row
  int64_t read = 0;        // by each of them
  torch::Tensor index;     // [R * blocks * read] of int64, among R * blocks
  torch::Tensor mask;      // [R, blocks, 1, size, read * size]: 0, or -inf where unseen

  // Of every block, the keys that it reads: x [R, blocks, size, ..] to
  // [R, blocks, read * size, ..].
  torch::Tensor Read(const torch::Tensor& x) const {
    return x.flatten(0, 1).index_select(0, index).unflatten(0, {x.size(0), blocks, read})
        .flatten(2, 3);
  }
};

// Block `key` of a row of so many blocks, as the block `own` reads it; -1: nothing there.
std::vector<int64_t> BlocksOf(const DocumentScopeSpec& spec, int layer, int64_t own,
                              int64_t blocks) {
  std::vector<int64_t> found;
  for (const int64_t b : {own - 1, own, own + 1}) {
    found.push_back(b >= 0 && b < blocks ? b : -1);
  }
  const auto drawn = RandomBlocks(layer, own, blocks, spec.random_blocks);
  found.insert(found.end(), drawn.begin(), drawn.end());
  found.resize(3 + spec.random_blocks, -1);
  return found;
}

KeyBlocks MakeKeyBlocks(const DocumentScopeSpec& spec, int layer, int64_t n,
                        const DocumentRows& rows, const torch::TensorOptions& like) {
  KeyBlocks keys;
  keys.size = std::min<int64_t>(spec.window, n);  // no more than there is
  keys.blocks = (n + keys.size - 1) / keys.size;
  keys.read = 3 + spec.random_blocks;
  std::vector<int64_t> index;  // of blocks of all rows
  std::vector<int64_t> first;  // the first item of each, far behind the row: nothing
  const auto count = static_cast<int64_t>(rows.lengths.size());
  const int64_t nowhere = (keys.blocks + 1) * keys.size;
  for (int64_t r = 0; r < count; ++r) {
    const int64_t own_blocks = (rows.lengths[r] + keys.size - 1) / keys.size;
    for (int64_t c = 0; c < keys.blocks; ++c) {
      for (const int64_t b : BlocksOf(spec, layer, c, own_blocks)) {
        index.push_back(r * keys.blocks + std::max<int64_t>(b, 0));
        first.push_back(b < 0 ? nowhere : b * keys.size);
      }
    }
  }
  const auto offset = torch::arange(keys.size);
  const auto key = (torch::tensor(first).view({count, keys.blocks, keys.read, 1}) + offset)
                       .view({count, keys.blocks, 1, -1});
  const auto query = torch::arange(keys.blocks * keys.size).view({keys.blocks, keys.size, 1});
  auto seen = (key - query).abs() <= spec.window;
  seen.narrow(3, 3 * keys.size, spec.random_blocks * keys.size).fill_(true);
  seen = seen.logical_and(key < torch::tensor(rows.lengths).view({count, 1, 1, 1}));
  keys.mask = torch::zeros(seen.sizes()).masked_fill_(seen.logical_not(), kHidden)
                  .unsqueeze(2).to(like);
  keys.index = torch::tensor(index).to(like.device());
  return keys;
}

}  // namespace

SparseAttentionImpl::SparseAttentionImpl(const DocumentLevelConfig& level)
    : heads_(level.heads), spec_(level.scope) {
  global_ = register_parameter("global",
                               torch::zeros({spec_.global_items, level.dim}));
}

torch::Tensor SparseAttentionImpl::Enter(const torch::Tensor& x) {
  return at::cat({global_.expand({x.size(0), -1, -1}), x}, 1);
}

torch::Tensor SparseAttentionImpl::Attend(int layer, const torch::Tensor& qkv,
                                          const DocumentRows& rows) {
  const auto parts = qkv.unflatten(2, {3, heads_, -1}).unbind(2);
  return at::cat({Global(parts, rows.padding), Local(layer, parts, rows)}, 1).flatten(2);
}

torch::Tensor SparseAttentionImpl::Global(const std::vector<torch::Tensor>& parts,
                                          const torch::Tensor& padding) const {
  const int64_t g = spec_.global_items;
  const auto mask = at::zeros({padding.size(0), 1, 1, g + padding.size(1)},
                              parts[0].options().requires_grad(false));
  mask.narrow(3, g, padding.size(1))
      .masked_fill_(padding.unsqueeze(1).unsqueeze(1), kHidden);
  return at::scaled_dot_product_attention(parts[0].narrow(1, 0, g).transpose(1, 2),
                                          parts[1].transpose(1, 2),
                                          parts[2].transpose(1, 2), mask)
      .transpose(1, 2);
}

torch::Tensor SparseAttentionImpl::Local(int layer, const std::vector<torch::Tensor>& parts,
                                         const DocumentRows& rows) const {
  const int64_t g = spec_.global_items;
  const int64_t n = parts[0].size(1) - g;
  const auto items = [&](const torch::Tensor& x) { return x.narrow(1, g, n); };
  const KeyBlocks keys = MakeKeyBlocks(spec_, layer, n, rows,
                                       parts[0].options().requires_grad(false));
  const auto blocks = [&](const torch::Tensor& x) {
    return Blocks(x, keys.blocks, keys.size);
  };
  // [R, blocks, H, .., K]; global ones are the same for every block.
  const auto heads_first = [](const torch::Tensor& x) { return x.transpose(2, 3); };
  const auto global = [&](const torch::Tensor& x) {
    return x.narrow(1, 0, g).transpose(1, 2).unsqueeze(1);
  };
  const auto q = items(parts[0]);
  const auto near = at::matmul(
      heads_first(blocks(ApplyRope(q, rows.rope))),
      heads_first(keys.Read(blocks(ApplyRope(items(parts[1]), rows.rope)))).mT());
  const auto far = at::matmul(heads_first(blocks(q)), global(parts[1]).mT());
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  const auto weights = at::cat({far * scale, near * scale + keys.mask}, -1).softmax(-1);
  const auto mixed =
      at::matmul(weights.narrow(-1, 0, g), global(parts[2])) +
      at::matmul(weights.narrow(-1, g, weights.size(-1) - g),
                 heads_first(keys.Read(blocks(items(parts[2])))));
  return heads_first(mixed).flatten(1, 2).narrow(1, 0, n);
}

}  // namespace strata
