#pragma once
// TextOrder: which texts a step of a classifier reads. An epoch is one
// permutation of the texts, a pure function of (seed, epoch); a row is a text.
// Torch-free. Not thread-safe.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/train/data_cursor.h"

namespace strata {

// Recorded in checkpoints: changes whenever the same cursor would mean other
// texts.
inline constexpr int kTextOrderVersion = 1;

class TextOrder {
 public:
  TextOrder(int64_t texts, uint64_t seed) : texts_(texts), seed_(seed) {}

  bool empty() const { return texts_ == 0; }
  // The next `rows` texts, across the end of an epoch where it comes to that,
  // jumping over `skip`. Moves the cursor behind them. REQUIRES: !empty().
  std::vector<int64_t> Next(int64_t rows, absl::Span<const DataWindow> skip,
                            DataCursor* cursor);

 private:
  void Shuffle(int64_t epoch);

  const int64_t texts_;
  const uint64_t seed_;
  int64_t shuffled_epoch_ = -1;
  std::vector<int64_t> order_;
};

}  // namespace strata
