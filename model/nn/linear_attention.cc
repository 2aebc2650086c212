#include "model/nn/linear_attention.h"

#include <algorithm>
#include <vector>

#include "model/nn/explicit_attention.h"

namespace strata {
namespace {

// Not elu + 1, whose small values are what is left of 1.
torch::Tensor Features(const torch::Tensor& x) {
  return at::where(x > 0, x + 1, x.clamp_max(0).exp());
}

// [B, n, ..] -> [B, chunks, kSumChunk, ..], filled up with `fill`.
torch::Tensor InChunks(const torch::Tensor& x, double fill) {
  const int64_t n = x.size(1);
  const int64_t chunks = (n + kSumChunk - 1) / kSumChunk;
  std::vector<int64_t> padding(2 * (x.dim() - 1), 0);
  padding.back() = chunks * kSumChunk - n;
  return at::constant_pad_nd(x, padding, fill).unflatten(1, {chunks, kSumChunk});
}

// [B, n, H, ..] -> [B, chunks, H, kSumChunk, ..].
torch::Tensor HeadChunks(const torch::Tensor& x) {
  return InChunks(x, 0).transpose(2, 3);
}

// Which items of a chunk a sum over the chunks before it is of, and which of them go
// on into the next one: documents are whole runs of items.
struct Carried {
  torch::Tensor same;   // [B, chunks, 1, C, C] query and key are of one document
  torch::Tensor opens;  // [B, chunks, 1, C, 1] items of the document it begins with
  torch::Tensor ends;   // [B, chunks, 1, C, 1] of that which the next begins with
  torch::Tensor keeps;  // [B, chunks, 1, 1, 1] whether these are the same
};

Carried CarriedOf(const torch::Tensor& documents) {
  const auto chunks = InChunks(documents, -1);
  const auto first = chunks.slice(2, 0, 1);
  const auto next = at::constant_pad_nd(first.slice(1, 1), {0, 0, 0, 1}, -1);
  const auto shaped = [](const torch::Tensor& x) {
    return x.unsqueeze(2).unsqueeze(-1);
  };
  return {(chunks.unsqueeze(-1) == chunks.unsqueeze(-2)).unsqueeze(2),
          shaped(chunks == first), shaped(chunks == next), shaped(first == next)};
}

// sums [B, chunks, H, K, K + 1] of the chunks -> of all before each, from `sums` on,
// which goes on to what is there behind the last.
torch::Tensor Before(const torch::Tensor& of_chunks, const torch::Tensor& keeps,
                     torch::Tensor* sums) {
  std::vector<torch::Tensor> before;
  for (int64_t c = 0; c < of_chunks.size(1); ++c) {
    before.push_back(*sums);
    const auto kept =
        keeps.defined() ? at::where(keeps.select(1, c), *sums, 0) : *sums;
    *sums = kept + of_chunks.select(1, c);
  }
  return at::stack(before, 1);
}

torch::Tensor Divided(const torch::Tensor& both) {
  const int64_t width = both.size(-1) - 1;
  return both.narrow(-1, 0, width) /
         both.narrow(-1, width, 1).clamp_min(kLeastSum);
}

// The same with the weights in the open.
torch::Tensor Watched(const torch::Tensor& q, const torch::Tensor& k,
                      const torch::Tensor& v, const AttentionPlan& plan,
                      AttentionWatcher& watcher) {
  const int64_t n = q.size(1);
  const auto queries = Features(q).transpose(1, 2);
  const auto keys = Features(k).transpose(1, 2).transpose(2, 3);
  const auto values = v.transpose(1, 2);
  auto seen = torch::ones({n, n}, q.options().dtype(torch::kBool)).tril();
  if (plan.documents.defined()) {
    seen = (seen & (plan.documents.unsqueeze(2) == plan.documents.unsqueeze(1)))
               .unsqueeze(1);
  }
  const int64_t slice =
      std::max<int64_t>(1, kSliceWeights / (q.size(0) * q.size(2) * n));
  std::vector<torch::Tensor> mixed;
  for (int64_t first = 0; first < n; first += slice) {
    const int64_t count = std::min(slice, n - first);
    const auto scores =
        at::matmul(queries.narrow(2, first, count), keys)
            .masked_fill(seen.narrow(-2, first, count).logical_not(), 0);
    const auto weights = scores / scores.sum(-1, true).clamp_min(kLeastSum);
    watcher.OnWeights(plan, first, weights);
    mixed.push_back(at::matmul(weights, values));
  }
  return at::cat(mixed, 2).transpose(1, 2);
}

}  // namespace

torch::Tensor LinearAttention::Attend(const torch::Tensor& q, const torch::Tensor& k,
                                      const torch::Tensor& v,
                                      const torch::Tensor& documents,
                                      torch::Tensor* sums) {
  const int64_t n = q.size(1);
  const auto queries = HeadChunks(Features(q));
  const auto keys = HeadChunks(Features(k));  // what is filled up adds nothing
  const auto values = HeadChunks(at::constant_pad_nd(v, {0, 1}, 1));
  Carried carried;
  if (documents.defined()) carried = CarriedOf(documents);

  auto seen = torch::ones({kSumChunk, kSumChunk}, q.options().dtype(torch::kBool)
                                                      .requires_grad(false))
                  .tril();
  if (documents.defined()) seen = seen & carried.same;
  auto both = at::matmul(at::matmul(queries, keys.transpose(-2, -1))
                             .masked_fill(seen.logical_not(), 0),
                         values);

  const auto lasting = documents.defined() ? keys * carried.ends : keys;
  torch::Tensor total =
      sums != nullptr ? *sums
                      : torch::zeros({q.size(0), q.size(2), q.size(3), v.size(3) + 1},
                                     q.options().requires_grad(false));
  auto older = at::matmul(
      queries,
      Before(at::matmul(lasting.transpose(-2, -1), values), carried.keeps, &total));
  if (documents.defined()) older = at::where(carried.opens, older, 0);
  if (sums != nullptr) *sums = total;
  return Divided(both + older).transpose(2, 3).flatten(1, 2).narrow(1, 0, n);
}

torch::Tensor LinearAttention::Attend(const torch::Tensor& q, const torch::Tensor& k,
                                      const torch::Tensor& v,
                                      const AttentionPlan& plan,
                                      AttentionWatcher* watcher) {
  if (watcher != nullptr) return Watched(q, k, v, plan, *watcher);
  return Attend(q, k, v, plan.documents, nullptr);
}

}  // namespace strata
