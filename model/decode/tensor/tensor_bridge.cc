// TensorStep: items attend to the newest contexts of the level above, where the bridge
// says so (model/nn/bridge_attention.h has the formula).

#include <algorithm>

#include "model/decode/tensor/row_choice.h"
#include "model/decode/tensor/tensor_step.h"

namespace strata {

torch::Tensor TensorStep::WithContexts(int l, const torch::Tensor& v,
                                       const torch::Tensor& bridged) {
  const LevelConfig& config = level(l);
  if (config.bridge != BridgeKind::kAttention) return v;
  const Batch& batch = batches_[l];
  RowChoice keys, values;
  std::vector<int64_t> seen;
  for (const auto& row : batch.rows) {
    const int64_t before = NewestContext(l, row);
    const int64_t ring = row.sequence->place(l).bridge;
    int64_t ended = 0;
    for (int64_t j = 0; j < row.count; ++j) {
      if (batch.EndsAt(row, j, ended)) ++ended;
      for (int64_t back = config.bridge_window - 1; back >= 0; --back) {
        const int64_t context = before + ended - back;
        seen.push_back(context >= 0);
        if (context > before) {
          const int64_t made =
              (row.unit + context - before - 1) * BridgeRows(config) + config.block;
          keys.FromBatch(made);
          values.FromBatch(made + 1);
        } else {  // row 0 of a pool is zeros
          const int64_t at = ring + BridgeSlot(config, std::max<int64_t>(context, 0));
          keys.FromPool(context < 0 ? 0 : at);
          values.FromPool(context < 0 ? 0 : at + BridgeSlots(config));
        }
      }
    }
  }
  auto& pool = model_->pool().level(l);
  const auto taken = [&](const RowChoice& rows) {
    return rows.Take(*model_, pool, bridged)
        .view({1, -1, config.bridge_window, config.dim});
  };
  const auto visible = model_->Upload(seen).to(torch::kBool).view(
      {1, -1, config.bridge_window});
  const auto mixed = net(l).bridge_attention()->Attend(
      v.view({1, -1, 1, config.dim}), taken(keys), taken(values), visible);
  KeepBridge(l, bridged);
  return v + mixed.view(v.sizes());
}

// Of new contexts that share a slot, the last one stays.
void TensorStep::KeepBridge(int l, const torch::Tensor& bridged) {
  const LevelConfig& config = level(l);
  std::vector<int64_t> newest, places;
  for (const auto& row : batches_[l].rows) {
    const int64_t before = NewestContext(l, row);
    const int64_t first = std::max<int64_t>(0, row.units - BridgeSlots(config));
    for (int64_t k = first; k < row.units; ++k) {
      const int64_t at =
          row.sequence->place(l).bridge + BridgeSlot(config, before + 1 + k);
      const int64_t made = (row.unit + k) * BridgeRows(config) + config.block;
      newest.insert(newest.end(), {made, made + 1});
      places.insert(places.end(), {at, at + BridgeSlots(config)});
    }
  }
  if (newest.empty()) return;
  model_->pool().level(l).index_copy_(
      0, model_->Upload(places), bridged.index_select(0, model_->Upload(newest)));
}

}  // namespace strata
