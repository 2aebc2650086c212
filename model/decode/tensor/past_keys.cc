#include "model/decode/tensor/past_keys.h"

#include <algorithm>
#include <optional>

#include "model/decode/tensor/cached_row.h"
#include "model/nn/upload.h"

namespace strata {

// A later item sees no older key than the first one of its phase does.
void PastKeys::AddRow(const ScopeSpec& spec, int64_t begin, int64_t count,
                      int64_t cache, int64_t slots) {
  std::vector<KeyRun> found;
  const int64_t queries = std::min(count, Phases(spec));
  for (int64_t i = begin; i < begin + queries; ++i) {
    for (const KeyRun& keys : CachedKeys(spec, i, begin)) found.push_back(keys);
  }
  AddRuns(spec, found, cache, slots);
}

void PastKeys::AddRuns(const ScopeSpec& spec, absl::Span<const KeyRun> keys,
                       int64_t cache, int64_t slots) {
  std::vector<SlotRun> found;
  for (const KeyRun& run : keys) AddSlotRuns(spec, run, &found);
  int64_t column = 0;
  for (const SlotRun& run : found) {
    runs_.push_back({column, rows_, run.item, run.step, cache + run.slot, slots,
                     run.count, total_});
    column += run.count;
    total_ += run.count;
  }
  longest_ = std::max(longest_, column);
  ++rows_;
}

PastKeys::Tensors PastKeys::Make(const torch::Device& device) const {
  const auto options = torch::TensorOptions().dtype(torch::kLong).device(device);
  const int64_t size = rows_ * longest_;
  Tensors made = {at::zeros({size}, options), at::zeros({size}, options),
                  at::full({size}, -1, options)};
  if (total_ > 0) {
    std::vector<int64_t> numbers;
    for (const Run& run : runs_) {
      numbers.insert(numbers.end(),
                     {run.count, run.before, run.row * longest_ + run.column,
                      run.item, run.step, run.pool_row, run.slots});
    }
    const auto runs =
        Upload(numbers, device).view({static_cast<int64_t>(runs_.size()), -1});
    const auto of = at::repeat_interleave(runs.select(1, 0).contiguous(),
                                          std::optional<int64_t>(total_));
    const auto each = runs.index_select(0, of).unbind(1);
    const auto n = torch::arange(total_, options) - each[1];
    const auto place = each[2] + n;
    made.key_row.index_copy_(0, place, each[5] + n);
    made.slots.index_copy_(0, place, each[6]);
    made.position.index_copy_(0, place, each[3] + n * each[4]);
  }
  made.position = made.position.view({rows_, longest_});
  return made;
}

}  // namespace strata
