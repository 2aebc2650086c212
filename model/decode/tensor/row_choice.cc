#include "model/decode/tensor/row_choice.h"

namespace strata {

torch::Tensor RowChoice::Take(const DeviceModel& model, const torch::Tensor& pool,
                              const torch::Tensor& batch) const {
  std::vector<int64_t> index;
  for (const int64_t c : chosen) {
    index.push_back(c >= 0 ? c : static_cast<int64_t>(pooled.size()) - 1 - c);
  }
  torch::Tensor all = batch;
  if (!pooled.empty()) {
    const auto front = pool.index_select(0, model.Upload(pooled));
    all = batch.defined() ? at::cat({front, batch}) : front;
  }
  return all.index_select(0, model.Upload(index));
}

}  // namespace strata
