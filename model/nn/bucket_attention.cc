#include "model/nn/bucket_attention.h"

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "model/nn/bucket_order.h"
#include "model/trained_attention.h"

namespace strata {
namespace {

// [B, n, H, K] -> rows of a table, [B * H * n, K].
torch::Tensor Table(const torch::Tensor& x) {
  return x.transpose(1, 2).reshape({-1, x.size(3)});
}

// Rows of a table by item: [G, ..] -> [G, .., K]. Of an embedding, whose gradient is
// summed in one order.
torch::Tensor RowsOf(const torch::Tensor& table, const torch::Tensor& items, int64_t n) {
  std::vector<int64_t> each(items.dim(), 1);
  each[0] = items.size(0);
  const auto first =
      at::arange(items.size(0), items.options()).mul_(n).view(each);
  return at::embedding(table, items + first);
}

// Which of the keys of a block its queries see in `order`: `keys` [G, T, 1, W] their
// ranks there, `queries` [G, T * Q].
torch::Tensor Sees(const BucketOrder& order, const torch::Tensor& keys,
                   const torch::Tensor& queries) {
  const auto of = [&](const torch::Tensor& rank) {
    return rank.gather(1, queries).view({keys.size(0), keys.size(1), -1, 1});
  };
  return (keys >= of(order.first)) & (keys < of(order.last));
}

// What is added to the scores of a round, [G, T, Q, W]: -inf where a key is not seen, else
// minus the logarithm of the rounds that show it.
torch::Tensor Corrections(const std::vector<BucketOrder>& orders, size_t round,
                          const BucketBlocks& blocks, const torch::Tensor& items,
                          const torch::TensorOptions& like) {
  const int64_t groups = items.size(0), count = blocks.ranks.size(1);
  const auto own = items.view({groups, count, 1, -1});
  const auto seen = Sees(orders[round], blocks.ranks.unsqueeze(2), blocks.queries) &
                    (own != blocks.queries.view({groups, count, -1, 1}));
  torch::Tensor shown;
  for (size_t other = 0; other < orders.size(); ++other) {
    if (other == round) continue;
    const auto ranks =
        orders[other].rank.gather(1, items.view({groups, -1})).view(own.sizes());
    const auto also = Sees(orders[other], ranks, blocks.queries).to(like);
    shown = shown.defined() ? shown + also : also;
  }
  const auto added = shown.defined() ? shown.log1p().neg_() : torch::zeros({1}, like);
  return added.expand(seen.sizes())
      .masked_fill(seen.logical_not(), -std::numeric_limits<double>::infinity());
}

struct Tables {
  torch::Tensor q, k, v;  // [G * n, K]
  int64_t n;
};

struct Mixed {
  torch::Tensor values;  // [G, n, K]
  torch::Tensor sum;     // [G, n] logarithm of the sum of exponentials
};

Mixed AttendRound(const Tables& tables, const std::vector<BucketOrder>& orders,
                  size_t round, int64_t chunk, bool causal) {
  torch::Tensor corrections, items, queries, place;
  {
    torch::NoGradGuard no_grad;
    const BucketBlocks blocks = CutBlocks(orders[round], chunk, causal);
    queries = blocks.queries;
    place = blocks.place;
    items = ItemsOf(orders[round], blocks.ranks);
    corrections = Corrections(orders, round, blocks, items,
                              tables.q.options().requires_grad(false));
  }
  const int64_t n = tables.n, width = tables.q.size(1);
  const auto in_blocks = [&](const torch::Tensor& rows) {
    return rows.unflatten(1, {items.size(1), -1});
  };
  const auto q = in_blocks(RowsOf(tables.q, queries, n)) / std::sqrt(double(width));
  const auto own = (q * in_blocks(RowsOf(tables.k, queries, n))).sum(-1, true) -
                   std::log(double(orders.size()));
  const auto near =
      at::matmul(q, RowsOf(tables.k, items, n).transpose(2, 3)) + corrections;
  const auto scores = at::cat({near, own}, -1);
  const auto share = scores.softmax(-1);
  const auto values =
      at::matmul(share.narrow(-1, 0, near.size(-1)), RowsOf(tables.v, items, n)) +
      share.narrow(-1, near.size(-1), 1) * in_blocks(RowsOf(tables.v, queries, n));
  Mixed mixed;
  mixed.values = values.flatten(1, 2).gather(
      1, place.unsqueeze(-1).expand({-1, -1, width}));
  if (orders.size() > 1) {
    mixed.sum = scores.logsumexp(-1).flatten(1, 2).gather(1, place);
  }
  return mixed;
}

// Everything that the rounds make is computed here, and once more for the gradient.
torch::Tensor AttendRounds(const torch::Tensor& q, const torch::Tensor& k,
                           const torch::Tensor& v, const Buckets& buckets,
                           const torch::Tensor& documents, bool causal) {
  const int64_t n = q.size(1), chunk = BucketChunk(n, buckets.count);
  const std::vector<BucketOrder> orders =
      OrderByBucket(buckets, documents, chunk, causal);
  const Tables tables = {Table(q), Table(k), Table(v), n};
  std::vector<torch::Tensor> values, sums;
  for (size_t round = 0; round < orders.size(); ++round) {
    const Mixed mixed = AttendRound(tables, orders, round, chunk, causal);
    values.push_back(mixed.values);
    sums.push_back(mixed.sum);
  }
  const auto out = orders.size() == 1
                       ? values[0]
                       : (at::stack(sums).softmax(0).unsqueeze(-1) *
                          at::stack(values)).sum(0);
  return out.view({q.size(0), q.size(2), n, -1}).transpose(1, 2);
}

// Blocks hold several copies of each key, and scores; of a layer, q, k and v are kept.
class AgainFunction : public torch::autograd::Function<AgainFunction> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const torch::Tensor& q, const torch::Tensor& k,
                               const torch::Tensor& v, const torch::Tensor& queries,
                               const torch::Tensor& keys,
                               const std::optional<torch::Tensor>& documents,
                               int64_t count, bool causal) {
    const auto of = documents.value_or(torch::Tensor());
    context->save_for_backward({q, k, v, queries, keys, of});
    context->saved_data["count"] = count;
    context->saved_data["causal"] = causal;
    return AttendRounds(q, k, v, {queries, keys, count}, of, causal);
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context,
      torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    torch::autograd::variable_list inputs;
    for (size_t i = 0; i < 3; ++i) {
      inputs.push_back(saved[i].detach().requires_grad_(true));
    }
    const torch::AutoGradMode with_gradients(true);
    const auto out = AttendRounds(
        inputs[0], inputs[1], inputs[2],
        {saved[3], saved[4], context->saved_data["count"].toInt()}, saved[5],
        context->saved_data["causal"].toBool());
    auto found = torch::autograd::grad({out}, inputs, {grads[0]});
    found.resize(8);
    return found;
  }
};

}  // namespace

torch::Tensor BucketAttention::Attend(const torch::Tensor& q, const torch::Tensor& k,
                                      const torch::Tensor& v, const Buckets& buckets,
                                      const torch::Tensor& documents, bool causal) {
  std::optional<torch::Tensor> of;
  if (documents.defined()) of = documents;
  return AgainFunction::apply(q, k, v, buckets.queries, buckets.keys, of, buckets.count,
                              causal);
}

}  // namespace strata
