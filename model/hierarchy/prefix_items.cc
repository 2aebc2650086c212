#include "model/hierarchy/prefix_items.h"

#include "model/decoder_places.h"

namespace strata {
namespace {

// [B, i, ..] -> [B, blocks, width, ..], the last block filled up with zeros.
torch::Tensor InBlocks(const torch::Tensor& x, int64_t width) {
  const int64_t blocks = (x.size(1) + width - 1) / width;
  const int64_t missing = blocks * width - x.size(1);
  auto whole = x;
  if (missing > 0) {
    auto shape = x.sizes().vec();
    shape[1] = missing;
    whole = at::cat({x, at::zeros(shape, x.options().requires_grad(false))}, 1);
  }
  return whole.unflatten(1, {blocks, width});
}

}  // namespace

torch::Tensor WithPrefixes(const LevelConfig& level, const torch::Tensor& u,
                           const torch::Tensor& bridged) {
  const int64_t before = PrefixItems(level);
  const auto blocks = InBlocks(u, level.block);
  const auto first = blocks.narrow(2, 0, 1) + bridged.narrow(2, before, 1);
  return at::cat({bridged.narrow(2, 0, before), first,
                  blocks.narrow(2, 1, level.block - 1)},
                 2)
      .flatten(1, 2)
      .narrow(1, 0, DecoderPlaces(level, u.size(1)));
}

torch::Tensor SegmentsOfPlaces(const LevelConfig& level,
                               const torch::Tensor& segments) {
  if (!segments.defined()) return segments;
  // A block has one document, that of its first item.
  const auto blocks = InBlocks(segments, level.block);
  return at::cat({blocks.narrow(2, 0, 1).expand({-1, -1, PrefixItems(level)}),
                  blocks},
                 2)
      .flatten(1, 2)
      .narrow(1, 0, DecoderPlaces(level, segments.size(1)));
}

torch::Tensor WithoutPrefixes(const LevelConfig& level, const torch::Tensor& x,
                              int64_t contexts) {
  const int64_t before = PrefixItems(level);
  return InBlocks(x, level.block + before)
      .narrow(2, before, level.block)
      .flatten(1, 2)
      .narrow(1, 0, contexts);
}

}  // namespace strata
