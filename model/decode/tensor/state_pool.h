#pragma once
// StatePool: the decoding states of all sequences on one device. Per level, and per
// stream behind them (model/stream_levels.h), one tensor of rows, each row one vector of
// that level's width: a key, a value, a pooled item or a context. A sequence owns one range
// of rows a level (model/state_layout.h in units of rows), so that one gather reads, and
// one scatter writes, the caches of a whole batch.
//
// Row 0 of a level is zeros and nobody's: what padded places of a batch read. Row 1 is
// nobody's either: what they write.
// Grows by half when full (the old rows and the new ones are there together while
// it copies), and drops everything once nobody is left, unless it is told to keep it.
// Tensors are replaced when it grows: nobody keeps one over a Take, but with a look at
// `generation`.
// Not thread-safe: its owner's lock (DeviceModel) is held. Memory that cannot be
// had is a c10::Error, and then nothing has changed.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/decode/free_ranges.h"
#include "model/model_config.h"

namespace strata {

class StatePool {
 public:
  StatePool(const ModelConfig& config, const torch::TensorOptions& options);

  // First rows of a sequence that owns `rows[l]` rows of level l.
  std::vector<int64_t> Take(const std::vector<int64_t>& rows);
  void Give(const std::vector<int64_t>& first, const std::vector<int64_t>& rows);

  // From now on what nobody uses stays. Adds room for so many rows of each level; memory
  // that cannot be had leaves what was added.
  void Keep(const std::vector<int64_t>& rows);
  // From now on it goes again, at once where nobody is left.
  void Release();
  // Another number whenever a level's tensor is another one.
  int64_t generation() const { return generation_; }

  // [rows, D_l].
  torch::Tensor& level(int l) { return levels_[l].values; }

 private:
  struct Level {
    int64_t dim = 0;
    int64_t size = 0;  // rows, those of nobody included
    torch::Tensor values;
    FreeRanges free;
  };
  void DropAll();
  int64_t TakeRows(Level* level, int64_t count);
  void Grow(Level* level, int64_t count);

  const torch::TensorOptions options_;
  std::vector<Level> levels_;
  int64_t sequences_ = 0;
  int64_t generation_ = 0;
  bool keep_ = false;
};

}  // namespace strata
