#include "model/nn/tree_attention.h"

#include <vector>

#include "model/nn/explicit_attention.h"

namespace strata {
namespace {

// Rows of `group` vectors each.
KeyValues Grouped(const KeyValues& from, int64_t group) {
  const auto join = [&](const torch::Tensor& x) {
    return x.reshape({x.size(0) / group, group * x.size(1), x.size(2),
                      x.size(3)});
  };
  return {join(from.k), join(from.v)};
}

// The nodes of every height, one after another: [nodes, m, H, K].
KeyValues AllNodes(const KeyValues& leaves, const TreePlan& plan,
                   TreeSummaryImpl& summary, const NodeMatrices& matrices) {
  std::vector<torch::Tensor> keys, values;
  KeyValues nodes = summary.Leaves(leaves.Pick(plan.complete), matrices);
  keys.push_back(nodes.k);
  values.push_back(nodes.v);
  for (size_t h = 0; h < plan.children.size(); ++h) {
    nodes = summary.Merge(Grouped(nodes.Pick(plan.children[h]), 2),
                          static_cast<int64_t>(h) + 1, plan.rope, matrices);
    keys.push_back(nodes.k);
    values.push_back(nodes.v);
  }
  return {at::cat(keys), at::cat(values)};
}

// Of leaves: q [N, leaf, H, K], keys of [N, .., H, K] -> [N, leaf, H, K].
torch::Tensor Mix(const torch::Tensor& q, const KeyValues& keys,
                  const TreePlan& plan, AttentionWatcher* watcher) {
  const auto by_head = q.transpose(1, 2);
  const auto k = keys.k.transpose(1, 2);
  const auto v = keys.v.transpose(1, 2);
  const auto mixed =
      watcher == nullptr
          ? at::scaled_dot_product_attention(by_head, k, v, plan.mask)
          : ExplicitAttention(by_head, k, v, plan.mask, /*causal=*/false,
                              [&](int64_t first, const torch::Tensor& weights) {
                                watcher->OnTreeWeights(plan, first, weights);
                              });
  return mixed.transpose(1, 2);
}

}  // namespace

torch::Tensor TreeAttention::Attend(const torch::Tensor& qkv, int64_t heads,
                                    const TreePlan& plan,
                                    TreeSummaryImpl& summary,
                                    const NodeMatrices& matrices,
                                    AttentionWatcher* watcher) {
  const int64_t dim = qkv.size(-1) / 3;
  const int64_t leaf = plan.tree.leaf;
  const auto parts = qkv.reshape({plan.batch * plan.items, 3 * dim})
                         .index_select(0, plan.item)
                         .view({plan.leaves, leaf, 3, heads, dim / heads})
                         .unbind(2);
  const RopeTables offsets = {plan.rope.cos.narrow(0, 0, leaf),
                              plan.rope.sin.narrow(0, 0, leaf)};
  const auto q = ApplyRope(parts[0], offsets);
  KeyValues keys = {ApplyRope(parts[1], offsets), parts[2]};
  if (plan.seen > 0) {
    const KeyValues nodes =
        Grouped(AllNodes(keys, plan, summary, matrices).Pick(plan.node),
                plan.seen);
    keys = {at::cat({nodes.k, keys.k}, 1), at::cat({nodes.v, keys.v}, 1)};
  }
  return Mix(q, keys, plan, watcher)
      .reshape({plan.leaves * leaf, dim})
      .index_select(0, plan.place)
      .view({plan.batch, plan.items, dim});
}

}  // namespace strata
