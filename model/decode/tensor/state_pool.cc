#include "model/decode/tensor/state_pool.h"

#include <algorithm>

#include "model/stream_levels.h"

namespace strata {
namespace {

constexpr int64_t kRowsOfNobody = 2;

}  // namespace

StatePool::StatePool(const ModelConfig& config,
                     const torch::TensorOptions& options)
    : options_(options) {
  for (const LevelConfig& level : StackLevels(config)) {
    levels_.push_back({level.dim, 0, {}, {}});
  }
}

void StatePool::Keep(const std::vector<int64_t>& rows) {
  keep_ = true;
  for (size_t l = 0; l < levels_.size(); ++l) Grow(&levels_[l], rows[l]);
}

void StatePool::Release() {
  keep_ = false;
  if (sequences_ == 0) DropAll();
}

void StatePool::DropAll() {
  ++generation_;
  for (Level& level : levels_) level = {level.dim, 0, {}, {}};
}

std::vector<int64_t> StatePool::Take(const std::vector<int64_t>& rows) {
  std::vector<int64_t> first;
  try {
    for (size_t l = 0; l < levels_.size(); ++l) {
      first.push_back(TakeRows(&levels_[l], rows[l]));
    }
  } catch (...) {
    for (size_t l = 0; l < first.size(); ++l) {
      levels_[l].free.Give(first[l], rows[l]);
    }
    throw;
  }
  ++sequences_;
  return first;
}

void StatePool::Give(const std::vector<int64_t>& first,
                     const std::vector<int64_t>& rows) {
  if (--sequences_ == 0 && !keep_) {
    DropAll();
    return;
  }
  for (size_t l = 0; l < levels_.size(); ++l) {
    levels_[l].free.Give(first[l], rows[l]);
  }
}

int64_t StatePool::TakeRows(Level* level, int64_t count) {
  auto begin = level->free.Take(count);
  if (!begin.has_value()) {
    Grow(level, count);
    begin = level->free.Take(count);
  }
  return *begin;
}

// Half more, or, where that cannot be had, no more than is needed.
void StatePool::Grow(Level* level, int64_t count) {
  const int64_t used = std::max<int64_t>(level->size, kRowsOfNobody);
  int64_t size = std::max(used + count, used + used / 2);
  torch::Tensor values;
  try {
    values = at::empty({size, level->dim}, options_);
  } catch (const c10::Error&) {
    size = used + count;
    values = at::empty({size, level->dim}, options_);
  }
  if (level->size > 0) {
    values.narrow(0, 0, level->size).copy_(level->values);
  } else {
    values.narrow(0, 0, kRowsOfNobody).zero_();
  }
  level->free.Give(used, size - used);
  level->values = values;
  ++generation_;
  level->size = size;
}

}  // namespace strata
