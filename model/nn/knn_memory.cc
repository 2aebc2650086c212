#include "model/nn/knn_memory.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <vector>

#include "model/knn_rule.h"
#include "model/nn/explicit_attention.h"

namespace strata {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Of keys that were not chosen: no weight, and no NaN where none was.
constexpr double kNotChosen = -1e30;
// Queries whose scores are formed at a time.
constexpr int64_t kLeastChunk = 32;
constexpr int64_t kMostChunk = 256;

torch::Tensor Unit(const torch::Tensor& x) {
  return x * (x.square().sum(-1, true) + kKnnEpsilon).rsqrt();
}

torch::Tensor Numbers(int64_t begin, int64_t count, const torch::Tensor& like) {
  return torch::arange(begin, begin + count,
                       torch::TensorOptions().dtype(torch::kLong).device(like.device()));
}

}  // namespace

torch::Tensor NearestKeys(const torch::Tensor& scores, int64_t count) {
  torch::NoGradGuard no_grad;
  const auto seen = scores > -kInfinity;
  if (scores.size(-1) <= count) return seen;
  const auto least =
      std::get<0>(scores.topk(count, -1)).narrow(-1, count - 1, 1);
  const auto above = scores > least;
  const auto tied = seen & (scores == least);
  const auto place = tied.flip(-1).cumsum(-1).flip(-1);  // from the newest on
  return above | (tied & (place <= count - above.sum(-1, true)));
}

KnnMemoryImpl::KnnMemoryImpl(const LevelConfig& level)
    : heads_(level.heads),
      window_(level.window),
      items_(level.knn_items),
      neighbours_(level.knn_neighbours),
      scale_(register_parameter("scale", torch::full({heads_}, kKnnScale))),
      bias_(register_parameter("bias", torch::zeros({heads_}))) {
  if (level.knn_gate == KnnGate::kHead) return;
  gate_ = register_parameter("gate", torch::zeros({heads_, level.dim}));
}

torch::Tensor KnnMemoryImpl::Share(const torch::Tensor& normed,
                                   const torch::Tensor& reaches) const {
  const auto open =
      gate_.defined() ? at::linear(normed, gate_, bias_).sigmoid() : bias_.sigmoid();
  return open * reaches.unsqueeze(-1).to(open.scalar_type());
}

torch::Tensor KnnMemoryImpl::Reaches(int64_t n, const torch::Tensor& documents,
                                     const torch::Tensor& like) const {
  auto reaches = (Numbers(0, n, like) >= window_).unsqueeze(0);
  if (!documents.defined() || n <= window_) return reaches;
  // A document's items stand next to one another.
  const auto same = documents.slice(1, window_) == documents.slice(1, 0, n - window_);
  return at::constant_pad_nd(same, {window_, 0}, 0);
}

torch::Tensor KnnMemoryImpl::Queries(const torch::Tensor& x) const {
  return (Unit(x) * scale_.exp().unsqueeze(-1)).transpose(1, 2);
}

torch::Tensor KnnMemoryImpl::Keys(const torch::Tensor& x) const {
  return Unit(x).transpose(1, 2);
}

torch::Tensor KnnMemoryImpl::Weights(const torch::Tensor& q, const torch::Tensor& k,
                                     const torch::Tensor& seen) const {
  const auto scores = at::matmul(q, k.transpose(-2, -1));
  const auto chosen = NearestKeys(
      scores.detach().masked_fill(seen.logical_not(), -kInfinity), neighbours_);
  return scores.masked_fill(chosen.logical_not(), kNotChosen).softmax(-1);
}

torch::Tensor KnnMemoryImpl::Seen(int64_t first, int64_t count, int64_t begin,
                                  int64_t keys, const torch::Tensor& documents,
                                  const torch::Tensor& like) const {
  const auto distance = Numbers(first, count, like).unsqueeze(1) -
                        Numbers(begin, keys, like).unsqueeze(0);
  auto seen = ((distance >= window_) & (distance < window_ + items_))
                  .view({1, 1, count, keys});
  if (!documents.defined()) return seen;
  return seen & (documents.narrow(1, first, count).unsqueeze(2) ==
                 documents.narrow(1, begin, keys).unsqueeze(1))
                    .unsqueeze(1);
}

torch::Tensor KnnMemoryImpl::forward(const torch::Tensor& local,
                                     const torch::Tensor& qkv,
                                     const torch::Tensor& share,
                                     const torch::Tensor& documents, int64_t first,
                                     AttentionWatcher* watcher) const {
  const int64_t batch = qkv.size(0), n = qkv.size(1);
  const int64_t begin = std::max(first, window_);  // nothing has left before
  if (n <= begin) return local;
  const auto parts = qkv.view({batch, n, 3, heads_, -1}).unbind(2);
  const auto q = Queries(parts[0]), k = Keys(parts[1]), v = parts[2].transpose(1, 2);
  // [B, H, n, 1]
  const auto shares = share.expand({batch, n, heads_}).transpose(1, 2).unsqueeze(-1);
  const int64_t chunk = std::clamp(QueriesAtATime(batch * heads_, items_), kLeastChunk,
                                   kMostChunk);
  std::vector<torch::Tensor> near;
  for (int64_t at = begin; at < n; at += chunk) {
    const int64_t count = std::min(chunk, n - at);
    const int64_t oldest = std::max<int64_t>(0, at - window_ - items_ + 1);
    const int64_t keys = at + count - window_ - oldest;
    const auto weights =
        Weights(q.narrow(2, at, count), k.narrow(2, oldest, keys),
                Seen(at, count, oldest, keys, documents, qkv)) *
        shares.narrow(2, at, count);
    if (watcher != nullptr) watcher->OnNeighbourWeights(at, oldest, weights);
    near.push_back(at::matmul(weights, v.narrow(2, oldest, keys)));
  }
  const auto looked_up = at::cat(near, 2).transpose(1, 2);  // [B, n - begin, H, K]
  const auto rest = (1 - shares.narrow(2, begin, n - begin)).transpose(1, 2);
  const auto kept = local.narrow(1, begin, n - begin).view_as(looked_up) * rest;
  return at::cat({local.narrow(1, 0, begin), (kept + looked_up).flatten(2)}, 1);
}

}  // namespace strata
