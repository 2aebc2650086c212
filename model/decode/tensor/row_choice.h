#pragma once
// RowChoice: a list of rows, each of a StatePool's level or of a step's batch, and one
// gather that takes them all. Plain values.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/decode/tensor/device_model.h"

namespace strata {

struct RowChoice {
  std::vector<int64_t> pooled;  // pool rows, in front
  std::vector<int64_t> chosen;  // >= 0: in front; < 0: -1 - row of the batch

  void FromPool(int64_t row) {
    chosen.push_back(static_cast<int64_t>(pooled.size()));
    pooled.push_back(row);
  }
  void FromBatch(int64_t row) { chosen.push_back(-1 - row); }

  // [chosen, D] from `pool` [.., D] and `batch` [.., D], which may be undefined where
  // nothing of it was chosen.
  torch::Tensor Take(const DeviceModel& model, const torch::Tensor& pool,
                     const torch::Tensor& batch) const;
};

}  // namespace strata
