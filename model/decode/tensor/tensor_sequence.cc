#include "model/decode/tensor/tensor_sequence.h"

#include "model/decode/tensor/device_model.h"
#include "model/knn_rule.h"

namespace strata {

TensorSequence::TensorSequence(DeviceModel* model, int64_t capacity)
    : model_(model), capacity_(capacity), progress_(model->config()) {
  const StateLayout layout = MakeStateLayout(model->config(), capacity);
  values_ = layout.values;
  for (size_t l = 0; l < layout.levels.size(); ++l) {
    rows_.push_back(layout.levels[l].values / model->level(static_cast<int>(l)).dim);
  }
  first_ = model->pool().Take(rows_);
  for (size_t l = 0; l < layout.levels.size(); ++l) {
    const LevelConfig& level = model->level(static_cast<int>(l));
    const LevelLayout& at = layout.levels[l];
    const int64_t dim = level.dim;
    const auto row = [&](int64_t offset) {
      return first_[l] + (offset - at.enc_offset) / dim;
    };
    places_.push_back({row(at.enc_offset), row(at.dec_offset),
                       row(at.pool_offset), row(at.context_offset),
                       row(at.router_offset), row(at.bridge_offset),
                       at.enc_slots, at.dec_slots,
                       row(at.dec_offset) + 2 * ScopedRuns(level) * at.dec_slots,
                       KnnSlots(level, at.dec_items),
                       (at.enc_offset + at.values - at.pool_offset) / dim});
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
