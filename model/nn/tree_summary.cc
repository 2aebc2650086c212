#include "model/nn/tree_summary.h"

#include <algorithm>

namespace strata {

TreeSummaryImpl::TreeSummaryImpl(int64_t dim, const TreeShape& tree)
    : dim_(dim),
      leaf_query_(register_parameter(
          "leaf_query", torch::zeros({tree.summaries, dim}))),
      merge_query_(register_parameter(
          "merge_query", torch::zeros({tree.summaries, dim}))),
      height_(register_parameter(
          "height", torch::zeros({TreeHeightRows(tree.max_height), dim}))),
      norm_(register_module("norm", RmsNorm(dim))) {}

KeyValues TreeSummaryImpl::Leaves(const KeyValues& items,
                                  const NodeMatrices& matrices) {
  return Node(leaf_query_, items, 0, matrices);
}

KeyValues TreeSummaryImpl::Merge(const KeyValues& children, int64_t height,
                                 const RopeTables& rope,
                                 const NodeMatrices& matrices) {
  const int64_t both = children.k.size(1);
  const RopeTables numbers = {rope.cos.narrow(0, 0, both),
                              rope.sin.narrow(0, 0, both)};
  KeyValues node = Node(merge_query_,
                        {ApplyRope(children.k, numbers), children.v}, height,
                        matrices);
  const auto mean = [&](const torch::Tensor& x) {
    return (x.narrow(1, 0, both / 2) + x.narrow(1, both / 2, both / 2)) / 2;
  };
  return {node.k + mean(children.k), node.v + mean(children.v)};
}

KeyValues TreeSummaryImpl::Node(const torch::Tensor& query,
                                const KeyValues& from, int64_t height,
                                const NodeMatrices& matrices) {
  const int64_t nodes = from.k.size(0);
  const int64_t heads = from.k.size(2);
  const int64_t vectors = query.size(0);
  const auto q = query.view({1, vectors, heads, dim_ / heads})
                     .expand({nodes, -1, -1, -1})
                     .transpose(1, 2);
  const auto drawn =
      at::scaled_dot_product_attention(q, from.k.transpose(1, 2),
                                       from.v.transpose(1, 2))
          .transpose(1, 2)
          .reshape({nodes, vectors, dim_});
  const auto at_height =
      height_.select(0, std::min(height, height_.size(0) - 1));
  const auto kv = MatrixProduct(
      norm_->forward(MatrixProduct(drawn, matrices.out) + at_height),
      matrices.key_value);
  const auto parts =
      kv.view({nodes, vectors, 2, heads, dim_ / heads}).unbind(2);
  return {parts[0], parts[1]};
}

}  // namespace strata
