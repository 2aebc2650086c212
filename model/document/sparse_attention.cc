#include "model/document/sparse_attention.h"

#include <algorithm>
#include <cmath>

#include "model/document/key_blocks.h"

namespace strata {
namespace {

// Scores that are formed at once; rows are taken so many at a time.
constexpr int64_t kMostScores = int64_t{1} << 22;

// [.., heads, items, K] from [.., items, heads, K].
torch::Tensor HeadsFirst(const torch::Tensor& x) { return x.transpose(-3, -2); }

// `parts` are q, k, v [R, g + n, H, K] of some rows, `turned` the items of q and k by
// their places. Returns [R, n, H, K].
torch::Tensor AttendInBlocks(const std::vector<torch::Tensor>& parts,
                             const std::vector<torch::Tensor>& turned, int64_t g,
                             const KeyBlocks& keys) {
  const int64_t n = turned[0].size(1);
  const auto items = [&](const torch::Tensor& x) { return x.narrow(1, g, n); };
  // The same for every block.
  const auto global = [&](const torch::Tensor& x) {
    return HeadsFirst(x.narrow(1, 0, g)).unsqueeze(1);
  };
  const auto near = at::matmul(HeadsFirst(keys.Cut(turned[0])),
                               HeadsFirst(keys.Read(turned[1])).mT());
  const auto far =
      at::matmul(HeadsFirst(keys.Cut(items(parts[0]))), global(parts[1]).mT());
  const double scale = 1 / std::sqrt(static_cast<double>(parts[0].size(3)));
  const auto weights = at::cat({far * scale, near * scale + keys.mask}, -1).softmax(-1);
  const auto mixed =
      at::matmul(weights.narrow(-1, 0, g), global(parts[2])) +
      at::matmul(weights.narrow(-1, g, weights.size(-1) - g),
                 HeadsFirst(keys.Read(items(parts[2]))));
  return HeadsFirst(mixed).flatten(1, 2).narrow(1, 0, n);
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
  return at::cat({Global(parts, rows.mask), Local(layer, parts, rows)}, 1).flatten(2);
}

torch::Tensor SparseAttentionImpl::Global(const std::vector<torch::Tensor>& parts,
                                          const torch::Tensor& mask) const {
  const int64_t g = spec_.global_items;
  const auto seen = at::constant_pad_nd(mask.unsqueeze(1), {g, 0});  // and all of these
  return HeadsFirst(at::scaled_dot_product_attention(
      HeadsFirst(parts[0].narrow(1, 0, g)), HeadsFirst(parts[1]), HeadsFirst(parts[2]),
      seen));
}

torch::Tensor SparseAttentionImpl::Local(int layer, const std::vector<torch::Tensor>& parts,
                                         const DocumentRows& rows) const {
  const int64_t g = spec_.global_items;
  const int64_t n = parts[0].size(1) - g;
  const auto turned = [&](const torch::Tensor& x) {
    return ApplyRope(x.narrow(1, g, n), rows.rope);
  };
  const std::vector<torch::Tensor> places = {turned(parts[0]), turned(parts[1])};
  const int64_t of_row =
      heads_ * n * ((3 + spec_.random_blocks) * std::min<int64_t>(spec_.window, n) + g);
  const int64_t slice = std::max<int64_t>(1, kMostScores / of_row);
  std::vector<torch::Tensor> mixed;
  for (int64_t row = 0; row < parts[0].size(0); row += slice) {
    const int64_t count = std::min(slice, parts[0].size(0) - row);
    const auto of = [&](const std::vector<torch::Tensor>& tensors) {
      std::vector<torch::Tensor> some;
      for (const auto& x : tensors) some.push_back(x.narrow(0, row, count));
      return some;
    };
    const KeyBlocks keys = MakeKeyBlocks(
        spec_, layer, n, absl::MakeConstSpan(rows.lengths).subspan(row, count),
        rows.mask.options());
    mixed.push_back(AttendInBlocks(of(parts), of(places), g, keys));
  }
  return at::cat(mixed);
}

}  // namespace strata
