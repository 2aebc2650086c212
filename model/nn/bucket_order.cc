#include "model/nn/bucket_order.h"

#include <algorithm>

#include "model/nn/bucket_attention.h"

namespace strata {
namespace {

// How many of each row of `sorted` are less than `values`; or, `with`, not more.
torch::Tensor CountBelow(const torch::Tensor& sorted, const torch::Tensor& values,
                         bool with = false) {
  return at::searchsorted(sorted, values.contiguous(), /*out_int32=*/false, with);
}

torch::Tensor UpTo(int64_t n, const torch::Tensor& like) {
  return at::arange(n, like.options());
}

// `codes` are numbers that sort by document, bucket and item; `places` the items.
BucketOrder Order(const torch::Tensor& query_codes, const torch::Tensor& key_codes,
                  const torch::Tensor& places, int64_t chunk, bool causal) {
  BucketOrder order;
  const auto [sorted, items] = key_codes.sort(1);
  order.items = items;
  const auto all = places.expand_as(items);
  order.rank = at::empty_like(items).scatter_(1, items, all);
  const auto begin = query_codes - places;  // of the bucket
  const auto past = CountBelow(sorted, query_codes, /*with=*/true);
  order.first = at::maximum(CountBelow(sorted, begin), past - chunk);
  order.last = causal ? past
                      : at::minimum(CountBelow(sorted, begin + places.numel()),
                                    past + chunk);
  order.queries = query_codes.argsort(int64_t{1});
  order.newest = past.gather(1, order.queries) - 1;
  return order;
}

}  // namespace

std::vector<BucketOrder> OrderByBucket(const Buckets& buckets,
                                       const torch::Tensor& documents, int64_t chunk,
                                       bool causal) {
  torch::NoGradGuard no_grad;
  const int64_t n = buckets.queries.size(3);
  const auto places = UpTo(n, buckets.queries);
  const auto codes = [&](const torch::Tensor& of) {
    auto groups = of;  // [B, H, n]
    if (documents.defined()) {
      groups = groups + (documents - documents.min()).unsqueeze(1) * buckets.count;
    }
    return (groups * n + places).flatten(0, 1);
  };
  std::vector<BucketOrder> orders;
  for (int64_t round = 0; round < buckets.queries.size(0); ++round) {
    orders.push_back(Order(codes(buckets.queries[round]), codes(buckets.keys[round]),
                           places, chunk, causal));
  }
  return orders;
}

BucketBlocks CutBlocks(const BucketOrder& order, int64_t chunk, bool causal) {
  const int64_t groups = order.items.size(0), n = order.items.size(1);
  const int64_t chunks = (n + chunk - 1) / chunk;
  // Small enough that few places of blocks are empty: at most one block a chunk is not full.
  const int64_t size = (chunk + 1) / 2;
  const int64_t blocks = n / size + chunks;
  // Ascends along the order of queries.
  const auto of_chunk =
      at::floor_divide(order.newest.clamp_min(0), chunk).contiguous();
  const auto numbers = UpTo(chunks, of_chunk).expand({groups, chunks});
  const auto begin = CountBelow(of_chunk, numbers);
  const auto count = CountBelow(of_chunk, numbers, /*with=*/true) - begin;
  const auto cuts = at::floor_divide(count + (size - 1), size);
  const auto cuts_end = cuts.cumsum(1);
  const auto slot = ((cuts_end - cuts) * size - begin).gather(1, of_chunk) +
                    UpTo(n, of_chunk);
  BucketBlocks out;
  out.queries = at::zeros({groups, blocks * size}, slot.options())
                    .scatter_(1, slot, order.queries);
  out.place = at::empty_like(slot).scatter_(1, order.queries, slot);
  const auto chunk_of_block =
      CountBelow(cuts_end, UpTo(blocks, slot).expand({groups, blocks}), /*with=*/true)
          .clamp_max(chunks - 1);
  const int64_t seen = causal ? 2 : 3;
  out.ranks = ((chunk_of_block - 1) * chunk).unsqueeze(-1) + UpTo(seen * chunk, slot);
  return out;
}

torch::Tensor ItemsOf(const BucketOrder& order, const torch::Tensor& ranks) {
  return order.items.gather(1, ranks.clamp(0, order.items.size(1) - 1).flatten(1))
      .view(ranks.sizes());
}

}  // namespace strata
