#include "model/nn/fold_heads.h"

namespace strata {
namespace {

// [B, n, H, K] -> [B, chunks, chunk, H, K], zeros after the last item.
torch::Tensor InChunks(const torch::Tensor& x, const AttentionPlan& plan) {
  const int64_t padding = plan.chunks() * plan.chunk - plan.items;
  const auto padded =
      padding == 0 ? x : at::constant_pad_nd(x, {0, 0, 0, 0, 0, padding});
  return padded.reshape(
      {plan.batch, plan.chunks(), plan.chunk, x.size(2), x.size(3)});
}

// Puts each chunk's predecessor before it: zeros before the first.
torch::Tensor WithLookBack(const torch::Tensor& chunks) {
  const auto before =
      chunks.size(1) == 1
          ? at::zeros_like(chunks)
          : at::constant_pad_nd(chunks.slice(1, 0, -1),
                                {0, 0, 0, 0, 0, 0, 1, 0});
  return at::cat({before, chunks}, 2);
}

}  // namespace

FoldedHeads FoldHeads(const torch::Tensor& qkv, int64_t heads,
                      const AttentionPlan& plan) {
  const int64_t head_dim = qkv.size(-1) / (3 * heads);
  const auto parts =
      qkv.view({plan.batch, plan.items, 3, heads, head_dim}).unbind(2);
  auto q = InChunks(ApplyRope(parts[0], plan.rope), plan);
  auto k = InChunks(ApplyRope(parts[1], plan.rope), plan);
  auto v = InChunks(parts[2], plan);
  if (plan.look_back > 0) {
    k = WithLookBack(k);
    v = WithLookBack(v);
  }
  return {q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)};
}

torch::Tensor UnfoldQueries(const torch::Tensor& folded,
                            const AttentionPlan& plan) {
  return folded
      .reshape({plan.batch, plan.chunks() * plan.chunk,
                folded.size(2) * folded.size(3)})
      .narrow(1, 0, plan.items);
}

}  // namespace strata
