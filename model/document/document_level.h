#pragma once
// DocumentLevel: one level of a document classifier. Rows of items in, each row
// read in both directions and pooled to one vector. Thread-compatible.

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "model/document/document_attention.h"
#include "model/document/ragged_pool.h"
#include "model/document_config.h"
#include "model/nn/rope.h"
#include "model/nn/transformer_layer.h"

namespace strata {

class DocumentLevelImpl : public torch::nn::Module {
 public:
  // Of rows of at most `items`.
  DocumentLevelImpl(const DocumentLevelConfig& config, int64_t items, int64_t dim_above,
                    double rope_theta, double dropout);

  // x [R, n, D]: row r has lengths[r] items, 1 to n; what stands behind them
  // changes nothing.
  Pooled forward(const torch::Tensor& x, const std::vector<int64_t>& lengths);

 private:
  torch::Tensor SeeAll(const torch::Tensor& x, const DocumentRows& rows);
  torch::Tensor SeeByScope(const torch::Tensor& x, const DocumentRows& rows);

  const bool bucketed_;  // in training
  RopeCache rope_;
  torch::nn::ModuleList enc_;
  std::shared_ptr<DocumentAttentionImpl> scope_;  // null: full
  RaggedPool pool_;
};
TORCH_MODULE(DocumentLevel);

}  // namespace strata
