// TensorStep: what the level above says about a block, as items of the decoder before
// those of the block (model/decoder_places.h has the formula).

#include "model/decode/tensor/tensor_step.h"

namespace strata {

torch::Tensor TensorStep::WithPrefixes(int l, const torch::Tensor& skip,
                                       const torch::Tensor& bridged) const {
  const Batch& batch = batches_[l];
  if (batch.units() == 0) return skip;
  const int64_t vectors = level(l).prefix;
  const int64_t said = batch.units() * vectors;
  // Each row of u from `bridged`, and behind it `skip`.
  std::vector<int64_t> from, firsts, last;
  for (const auto& row : batch.rows) {
    int64_t ended = 0;
    for (int64_t j = 0; j < row.count; ++j) {
      if (batch.EndsAt(row, j, ended)) {
        const int64_t unit = (row.unit + ended++) * vectors;
        for (int64_t r = 0; r + 1 < vectors; ++r) from.push_back(unit + r);
        firsts.push_back(static_cast<int64_t>(from.size()));
        last.push_back(unit + vectors - 1);
      }
      from.push_back(said + row.offset + j);
    }
  }
  auto u = at::cat({bridged, skip}).index_select(0, model_->Upload(from));
  return u.index_add_(0, model_->Upload(firsts),
                      bridged.index_select(0, model_->Upload(last)));
}

}  // namespace strata
