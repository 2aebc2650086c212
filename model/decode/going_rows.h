#pragma once
// GoingRows: which rows of a stack's matrices still go on, in one step through it, where
// items may stop early (model/nn/item_depth.h). Single owner thread; memory is kept.

#include <cstdint>

#include "model/decode/aligned_buffer.h"

namespace strata {

template <typename T>
struct GoingRows {
  bool all = true;    // and then the lists below say nothing
  int64_t count = 0;  // of `rows`
  AlignedBuffer<uint8_t> going;  // of each row
  AlignedBuffer<int64_t> rows;   // those that go on, ascending
  AlignedBuffer<T> spent;        // of each row, the sum of its probabilities to halt
  AlignedBuffer<T> mean;         // [rows][dim], padded: what the stack will give
  AlignedBuffer<T> x;            // [count][dim], padded: states of those that go on

  // For so many rows of so many values; false without memory.
  bool Reserve(int64_t m, int64_t width) {
    return going.Reserve(m) && rows.Reserve(m) && spent.Reserve(m) &&
           mean.Reserve(m * width) && x.Reserve(m * width);
  }
  bool Has(int64_t row) const { return all || going.data()[row] != 0; }
  bool Any(int64_t first, int64_t n) const {
    for (int64_t i = first; i < first + n; ++i) {
      if (Has(i)) return true;
    }
    return false;
  }
  void Stop(int64_t row) { going.data()[row] = 0; }
  // After rows have stopped.
  void Count() {
    int64_t kept = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = rows.data()[i];
      if (going.data()[row] != 0) rows.data()[kept++] = row;
    }
    count = kept;
  }
};

}  // namespace strata
