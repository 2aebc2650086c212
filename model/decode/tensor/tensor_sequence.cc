#include "model/decode/tensor/tensor_sequence.h"

#include "model/decode/tensor/device_model.h"
#include "model/knn_rule.h"

namespace strata {

TensorSequence::TensorSequence(DeviceModel* model, int64_t capacity)
    : model_(model), capacity_(capacity), progress_(model->config()) {
  const ModelConfig& config = model->config();
  const StateLayout layout = MakeStateLayout(config, capacity);
  values_ = layout.values;
  for (size_t l = 0; l < layout.levels.size(); ++l) {
    rows_.push_back(layout.levels[l].values / config.levels[l].dim);
  }
  first_ = model->pool().Take(rows_);
  for (size_t l = 0; l < layout.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const LevelLayout& at = layout.levels[l];
    const auto row = [&](int64_t offset) {
      return first_[l] + (offset - at.enc_offset) / level.dim;
    };
    places_.push_back({row(at.enc_offset), row(at.dec_offset),
                       row(at.pool_offset), row(at.context_offset),
                       row(at.router_offset), row(at.bridge_offset),
                       at.enc_slots, at.dec_slots,
                       row(at.dec_offset) + 2 * ScopedRuns(level) * at.dec_slots,
                       KnnSlots(level, at.dec_items)});
  }
}

TensorSequence::~TensorSequence() {
  MutexLock lock(&model_->mutex());
  model_->pool().Give(first_, rows_);
}

int64_t TensorSequence::bytes() const {
  return values_ * model_->value_bytes();
}

}  // namespace strata
