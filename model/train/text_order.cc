#include "model/train/text_order.h"

#include <numeric>

#include "model/base/log.h"
#include "model/train/shuffle.h"

namespace strata {

void TextOrder::Shuffle(int64_t epoch) {
  if (shuffled_epoch_ == epoch) return;
  order_.resize(texts_);
  std::iota(order_.begin(), order_.end(), 0);
  ShuffleEpoch(seed_, epoch, &order_);
  shuffled_epoch_ = epoch;
}

std::vector<int64_t> TextOrder::Next(int64_t rows,
                                     absl::Span<const DataWindow> skip,
                                     DataCursor* cursor) {
  STRATA_CHECK(!empty());
  std::vector<int64_t> chosen;
  while (static_cast<int64_t>(chosen.size()) < rows) {
    SkipWindows(skip, cursor);
    if (cursor->row >= texts_) {
      *cursor = {cursor->epoch + 1, 0};
      continue;
    }
    Shuffle(cursor->epoch);
    chosen.push_back(order_[cursor->row++]);
  }
  return chosen;
}

}  // namespace strata
