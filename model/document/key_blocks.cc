#include "model/document/key_blocks.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "model/document/random_blocks.h"

namespace strata {
namespace {

// Where the blocks of one row read, block after block.
struct Reads {
  std::vector<std::vector<int64_t>> near, drawn;  // ascending
  size_t most = 0;

  void Add(const DocumentScopeSpec& spec, int layer, int64_t own, int64_t blocks) {
    near.emplace_back();
    for (const int64_t b : {own - 1, own, own + 1}) {
      if (b >= 0 && b < blocks) near.back().push_back(b);
    }
    drawn.push_back(RandomBlocks(layer, own, blocks, spec.random_blocks));
    most = std::max(most, near.back().size() + drawn.back().size());
  }
};

// What each block reads, `read` places a block: which of all blocks, the first of its
// items (far behind the row where there is nothing), and whether it was drawn.
struct Places {
  std::vector<int64_t> index;
  std::vector<int32_t> first;
  std::vector<uint8_t> drawn;
};

Places PlacesOf(const Reads& reads, const KeyBlocks& keys) {
  Places places;
  for (size_t at = 0; at < reads.near.size(); ++at) {
    const int64_t row = static_cast<int64_t>(at) / keys.blocks * keys.blocks;
    const auto add = [&](int64_t block, bool drawn) {
      places.index.push_back(row + block);
      places.first.push_back(static_cast<int32_t>(block * keys.size));
      places.drawn.push_back(drawn);
    };
    for (const int64_t b : reads.near[at]) add(b, false);
    for (const int64_t b : reads.drawn[at]) add(b, true);
    places.index.resize((at + 1) * keys.read, row);
    places.first.resize((at + 1) * keys.read,
                        static_cast<int32_t>((keys.blocks + 1) * keys.size));
    places.drawn.resize((at + 1) * keys.read, 0);
  }
  return places;
}

// [R, blocks, size, read * size] of bool.
torch::Tensor Seen(const Places& places, const KeyBlocks& keys, int64_t window,
                   absl::Span<const int64_t> lengths) {
  const auto rows = static_cast<int64_t>(lengths.size());
  const auto wide = [&](const torch::Tensor& of_blocks) {  // to each of their items
    return of_blocks.view({rows, keys.blocks, 1, keys.read, 1})
        .expand({-1, -1, -1, -1, keys.size});
  };
  const auto key = (wide(torch::tensor(places.first, torch::kInt32)) +
                    torch::arange(keys.size, torch::kInt32)).flatten(3);
  const auto drawn = wide(torch::tensor(places.drawn, torch::kBool)).flatten(3);
  const auto query = torch::arange(keys.blocks * keys.size, torch::kInt32)
                         .view({keys.blocks, keys.size, 1});
  const auto length = torch::tensor(std::vector<int64_t>(lengths.begin(), lengths.end()));
  return (key >= query - window).logical_and(key <= query + window).logical_or(drawn)
      .logical_and(key < length.view({rows, 1, 1, 1}));
}

}  // namespace

torch::Tensor KeyBlocks::Cut(const torch::Tensor& x) const {
  auto shape = x.sizes().vec();
  shape[1] = blocks * size - x.size(1);
  return at::cat({x, at::zeros(shape, x.options())}, 1).unflatten(1, {blocks, size});
}

torch::Tensor KeyBlocks::Read(const torch::Tensor& x) const {
  return Cut(x).flatten(0, 1).index_select(0, index)
      .unflatten(0, {x.size(0), blocks, read}).flatten(2, 3);
}

KeyBlocks MakeKeyBlocks(const DocumentScopeSpec& spec, int layer, int64_t n,
                        absl::Span<const int64_t> lengths,
                        const torch::TensorOptions& like) {
  torch::NoGradGuard no_grad;
  KeyBlocks keys;
  keys.size = std::min<int64_t>(spec.window, n);  // no more than there is
  keys.blocks = (n + keys.size - 1) / keys.size;
  Reads reads;
  for (const int64_t length : lengths) {
    const int64_t own = (length + keys.size - 1) / keys.size;
    for (int64_t c = 0; c < keys.blocks; ++c) reads.Add(spec, layer, c, own);
  }
  keys.read = static_cast<int64_t>(reads.most);
  const Places places = PlacesOf(reads, keys);
  const auto seen = Seen(places, keys, spec.window, lengths);
  keys.mask = torch::zeros(seen.sizes())
                  .masked_fill_(seen.logical_not(),
                                -std::numeric_limits<double>::infinity())
                  .unsqueeze(2).to(like);
  keys.index = torch::tensor(places.index).to(like.device());
  return keys;
}

}  // namespace strata
